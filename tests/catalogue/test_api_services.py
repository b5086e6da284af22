"""The same search on real STAC API servers, on the same items in files, and on an index of the archive they describe."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from terrascope_nb.catalogue.archive import index_archive
from terrascope_nb.catalogue.query import search
from terrascope_nb.catalogue.static import StaticSource
from terrascope_nb.extent.mgrs import tile_box, tile_footprint
from terrascope_nb.settings import options

pytestmark = pytest.mark.services

TILES = ("31UDS", "31UES", "31UFS", "31UGS", "31UET", "31UFT")
NDVI, FAPAR = "terrascope-s2-ndvi-v2", "terrascope-s2-fapar-v2"
HOW_TO = "run tools/setup-test-services.sh as root"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                reply.read()
                return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
    raise RuntimeError(f"the test server at {url} did not start")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="session")
def records(record):
    """3 500 real-shaped items: twins with other clouds, orbits that cut a tile, unknown clouds, FAPAR at 10 and 20 m."""
    made = []
    for day in range(320):
        date = np.datetime64("2020-01-01") + day
        mission, orbit = ("S2A", 51) if day % 2 else ("S2B", 94)
        for n, tile in enumerate(TILES):
            cloud = float((day * 37 + n * 11) % 101)
            how = {"tile": tile, "mission": mission, "sat:relative_orbit": orbit}
            if orbit == 94:
                west, south, east, north = tile_footprint(tile).bounds
                how["footprint"] = shapely.Polygon([(west, south), (east, south), (west, north)])
            if day % 3:
                made.append(record(f"{date}T10:40:31", version="200", cloud=(cloud + 30) % 101, **how))
            made.append(record(f"{date}T10:40:31", version="210", cloud=None if (day + n) % 29 == 0 else cloud, **how))
            if day % 47 == 0:
                del made[-1]["properties"]["grid:code"]
            if day % 30 == 0:
                made += [
                    record(f"{date}T10:40:31", product="FAPAR", resolution=size, version=v, cloud=cloud, **how)
                    for size in (10, 20)
                    for v in ("200", "210")
                ]
    return made


@pytest.fixture(scope="session")
def as_file(records, tmp_path_factory):
    path = tmp_path_factory.mktemp("static") / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": records}))
    return StaticSource(path)


def collections():
    extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2015-06-23T00:00:00Z", None]]}}
    return [
        {"type": "Collection", "id": name, "stac_version": "1.1.0", "description": name, "license": "other",
         "links": [], "extent": extent}
        for name in (NDVI, FAPAR)
    ]  # fmt: skip


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL of our own: own folder, own port; gives its environment."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    programs = found[0].parent if found else Path(shutil.which("initdb") or "").parent
    if not (programs / "initdb").exists() or not list(
        Path("/usr/share/postgresql").glob("*/extension/postgis.control")
    ):
        pytest.skip(f"PostgreSQL with PostGIS is not installed: {HOW_TO}")
    folder = Path(tempfile.mkdtemp(prefix="terrascope-nb-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    port = str(free_port())
    environment = {"PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "postgres", "PGDATABASE": "stac", "PGPASSWORD": "x"}
    quick = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    quick += " -c full_page_writes=off -c synchronous_commit=off"

    def run(*command):
        subprocess.run([*as_user, *map(str, command)], check=True, cwd=folder, stdout=subprocess.DEVNULL)

    run(programs / "initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres")
    run(programs / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o", quick, "start")
    yield environment
    run(programs / "pg_ctl", "-D", folder / "data", "-m", "fast", "stop")
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def pgstac(postgres, records, tmp_path_factory):
    """A stac-fastapi-pgstac server that holds the items; gives its address."""
    psycopg = pytest.importorskip("psycopg", reason=HOW_TO)
    pytest.importorskip("stac_fastapi.pgstac", reason=HOW_TO)
    folder = tmp_path_factory.mktemp("pgstac")
    (folder / "collections.ndjson").write_text("\n".join(map(json.dumps, collections())))
    (folder / "items.ndjson").write_text("\n".join(map(json.dumps, records)))
    environment = {**os.environ, **postgres}
    loader = str(Path(sys.executable).with_name("pypgstac"))

    def query(database, text):
        with psycopg.connect(dbname=database, host="127.0.0.1", port=postgres["PGPORT"], user="postgres",
                             autocommit=True) as connection:  # fmt: skip
            connection.execute(text)

    query("postgres", "create database stac")
    for command in (["migrate"], ["load", "collections", "collections.ndjson", "--method", "upsert"],
                    ["load", "items", "items.ndjson", "--method", "upsert"]):  # fmt: skip
        subprocess.run([loader, *command], check=True, cwd=folder, env=environment, capture_output=True)
    query("stac", "alter database stac set search_path to pgstac, public")
    query("stac", "insert into pgstac.pgstac_settings(name, value) values ('context', 'on') "
          "on conflict on constraint pgstac_settings_pkey do update set value = excluded.value")  # fmt: skip
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "--factory", "stac_fastapi.pgstac.app:create_app", "--host", "127.0.0.1",
         "--port", str(port), "--log-level", "warning"], env=environment, cwd=folder,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    wait_for(url, server)
    yield url
    stop(server)


@pytest.fixture(scope="session")
def rustac(records, tmp_path_factory):
    """A rustac server in memory mode: pages well, filters and sorts not at all; gives its address."""
    program = Path(sys.executable).with_name("rustac")
    if not program.exists():
        pytest.skip(f"rustac is not installed: {HOW_TO}")
    folder = tmp_path_factory.mktemp("rustac")
    for collection in collections():
        (folder / f"{collection['id']}.json").write_text(json.dumps(collection))
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": records}))
    port = free_port()
    server = subprocess.Popen(
        [str(program), "serve", "--addr", f"127.0.0.1:{port}", f"{NDVI}.json", f"{FAPAR}.json", "items.json"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    wait_for(url, server)
    yield url
    stop(server)


@pytest.fixture(autouse=True)
def patient():
    with options(retries=1, timeout=60):
        yield


def summary(items):
    return [
        (row.id, row.time, row.version, tuple(sorted(items[row.id].assets)), f"{row.coverage:.6f}")
        for row in items.to_dataframe().itertuples()
    ]


FIELD = (4.47, 50.55, 4.52, 50.58)
TRIANGLE = shapely.Polygon([(4.9, 50.6), (5.9, 50.6), (4.9, 51.3)])
SEARCHES = {
    "area, month": (("s2-ndvi", FIELD, "2020-05"), {}),
    "area, month, cloud": (("s2-ndvi", FIELD, "2020-05"), {"max_cloud": 30}),
    "polygon, two months": (("s2-ndvi", TRIANGLE, "2020-03/2020-04"), {}),
    "all versions, cloud": (("s2-ndvi", FIELD, "2020-05/2020-06"), {"max_cloud": 30, "version": "all"}),
    "consistent": (("s2-ndvi", FIELD, "2020-05/2020-06"), {"version": "consistent"}),
    "tile": (("s2-ndvi", None, "2020-02"), {"tile": "31UFS"}),
    "tile as area": (("s2-ndvi", "31UFS", "2020-02"), {}),
    "orbit, platform": (("s2-ndvi", FIELD, "2020"), {"relative_orbit": 94, "platform": "S2B"}),
    "direction": (("s2-ndvi", FIELD, "2020-05"), {"orbit_direction": "descending"}),
    "no such direction": (("s2-ndvi", FIELD, "2020-05"), {"orbit_direction": "ascending"}),
    "cql2 text": (("s2-ndvi", FIELD, "2020"), {"filter": "eo:cloud_cover < 10 AND platform = 'sentinel-2a'"}),
    "cql2 with prefix": (("s2-ndvi", FIELD, "2020"), {"filter": "properties.eo:cloud_cover < 10", "version": "all"}),
    "cql2 json": (
        ("s2-ndvi", FIELD, "2020"),
        {"filter": {"op": "<", "args": [{"property": "eo:cloud_cover"}, 10]}, "version": "all"},
    ),
    "cql2 names a version": (("s2-ndvi", FIELD, "2020-05"), {"filter": "processing:version = '200'"}),
    "first five": (("s2-ndvi", FIELD, "2020"), {"max_items": 5, "max_cloud": 20}),
    "fapar, finest": (("s2-fapar", FIELD, "2020"), {}),
    "fapar, 20 m": (("s2-fapar", FIELD, "2020"), {"resolution": 20}),
    "two seasons": (("s2-ndvi", FIELD, ("2020-01-30", "2020-02-02")), {}),
    "off the data": (("s2-ndvi", (10, 40, 10.1, 40.1), "2020"), {}),
    "before the data": (("s2-ndvi", FIELD, "2016"), {}),
}  # fmt: skip


def ask(name, source):
    arguments, how = SEARCHES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return search(*arguments, **how, source=source)


@pytest.mark.parametrize("name", SEARCHES)
def test_pgstac_and_the_same_items_in_a_file_give_equal_items(pgstac, as_file, name):
    served, here = ask(name, pgstac), ask(name, as_file)
    assert summary(served) == summary(here)
    assert served.dropped == here.dropped
    assert served.matched == here.matched or name == "first five"
    assert not [note for note in served.notes if "server" in note.lower()], "an able server needs no excuse"
    expected_empty = name in ("no such direction", "off the data", "before the data")
    assert (len(here) == 0) is expected_empty


@pytest.mark.parametrize("name", SEARCHES)
def test_a_server_without_filter_and_sort_gives_equal_items_too(rustac, as_file, name):
    served, here = ask(name, rustac), ask(name, as_file)
    assert summary(served) == summary(here)
    assert served.dropped == here.dropped


def test_it_is_said_that_the_less_able_server_did_not_filter(rustac):
    items = search("s2-ndvi", FIELD, "2020-05", filter="platform = 'sentinel-2a'", version="all", source=rustac)
    assert len(items) > 0
    assert any("does not filter by CQL2" in note for note in items.notes)


def test_more_than_3000_items_come_exactly_once_and_in_time(pgstac, records):
    items = search("s2-ndvi", version="all", source=pgstac)
    expected = sorted((r["properties"]["datetime"], r["id"]) for r in records if r["collection"] == NDVI)
    assert [item.id for item in items] == [item_id for _, item_id in expected]
    assert len(items) == items.matched > 3000


def test_assets_come_from_the_server_as_they_were_put_in(pgstac, records):
    items = ask("area, month", pgstac)
    by_id = {record["id"]: record for record in records}
    for item in items:
        put_in = by_id[item.id]["assets"]
        del put_in["preview"]["proj:code"]  # pgstac gives no nulls back
        assert item.to_dict(transform_hrefs=False)["assets"] == put_in


def test_an_unknown_collection_is_named_by_the_real_server_too(pgstac):
    from terrascope_nb.errors import CatalogueReplyError

    with pytest.raises(CatalogueReplyError, match=r"no collection terrascope-s2-lai-v2"):
        search("s2-lai", FIELD, "2020-05", source=pgstac)


@pytest.fixture(scope="session")
def tree(records, tmp_path_factory):
    """The archive that some of the items describe: real names, hard-linked sparse headers on the tiles' true grids."""
    root = tmp_path_factory.mktemp("MTDA")
    stamps: dict[tuple[str, int], Path] = {}
    for tile in TILES[:3]:
        epsg, (left, _, _, top) = tile_box(tile)
        for size, step in ((10980, 10), (5490, 20)):
            path = root.parent / f"{tile}_{step}_{root.name}.tif"
            with rasterio.open(
                path, "w", driver="GTiff", width=size, height=size, count=1, dtype="uint8", tiled=True, blockxsize=1024,
                blockysize=1024, sparse_ok=True, nodata=255, crs=f"EPSG:{epsg}", transform=from_origin(left, top, step, step),
            ):  # fmt: skip
                pass
            stamps[tile, step] = path
    for record in records:
        tile = record["id"].split("_")[2]
        if record["collection"] != NDVI or tile not in TILES[:3] or record["properties"]["datetime"] > "2020-03":
            continue
        for key, asset in record["assets"].items():
            if key == "preview":
                continue
            path = root / asset["alternate"]["local"]["href"].removeprefix("file:///data/MTDA/")
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".tif":
                os.link(stamps[tile, 20 if key == "SCL" else 10], path)
            else:
                path.write_text("<metadata/>")
    return root


def test_a_local_index_and_the_real_server_give_equal_items(pgstac, tree):
    """Footprint and cloud are not in file headers, so the searches compared here ask for neither at the edges."""
    index = index_archive(tree)
    assert index.problems == [] or all("metadata" in str(problem).lower() for problem in index.problems)
    for how in ({"version": "latest"}, {"version": "all"}, {"version": "consistent"}, {"max_items": 7}):
        for tile in TILES[:3]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                served = search("s2-ndvi", None, "2020-01/2020-02", tile=tile, source=pgstac, **how)
                local = search("s2-ndvi", None, "2020-01/2020-02", tile=tile, source=index, **how)
            assert len(served) > 0
            assert [item.id for item in local] == [item.id for item in served]
            assert [gone.item_id for gone in local.dropped] == [gone.item_id for gone in served.dropped]
            for ours, theirs in zip(local.to_dataframe().itertuples(), served.to_dataframe().itertuples(), strict=True):
                assert ours.time == theirs.time.floor("s")
                assert (ours.version, ours.tile, ours.platform) == (theirs.version, theirs.tile, theirs.platform)
                assert set(local[ours.id].assets) == set(served[ours.id].assets) - {"preview"}
