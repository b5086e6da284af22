"""The commands as a person runs them: what goes to stdout, what to stderr, and the exit code."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
import xarray as xr

from terrascope_nb import __version__, cli
from terrascope_nb.errors import TerrascopeWarning, UnknownProductError
from terrascope_nb.products.registry import list_products
from terrascope_nb.recipes.report import Check, Report
from terrascope_nb.settings import options

COMMANDS = ("products", "search", "index", "export", "doctor", "sample")
BOX = "3.0205,50.814,3.025,50.817"


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = cli.main(argv)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from terrascope_nb.cli import main; main(['--help']);"
        "heavy = {'numpy', 'xarray', 'dask', 'rasterio', 'geopandas', 'pystac', 'matplotlib', 'requests', 'pandas'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert command in run(capsys, "--help")[1]
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert f"terrascope-nb {command}" in out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version")[:2] == (0, f"terrascope-nb {__version__}\n")


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("fetch",),
        ("search",),
        ("search", "s2-toc", "--limit", "0"),
        ("search", "s2-toc", "--max-cloud", "low"),
        ("export", "s2-toc"),
        ("search", "s2-toc", "--out", "items.docx"),
        ("products", "s2-nvdi"),
    ],
    ids=" ".join,
)
def test_asking_wrongly_is_exit_code_2_without_a_traceback(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]
) -> None:
    code, out, err = run(capsys, *argv)
    assert (code, out) == (2, "")
    assert "terrascope-nb" in err
    assert "Traceback" not in err


def test_a_wrong_product_gets_the_near_miss_in_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    _, _, err = run(capsys, "products", "s2-nvdi")
    assert err.startswith("terrascope-nb: ")
    assert "s2-ndvi" in err
    assert err.count("\n") == 1


def test_debug_shows_where_it_happened() -> None:
    with pytest.raises(UnknownProductError):
        cli.main(["products", "s2-nvdi", "--debug"])


def test_products_lists_all_and_describes_one(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "products")
    for product in list_products():
        assert product.id in out
    code, out, _ = run(capsys, "products", "terrascope-s2-ndvi-v2")
    assert code == 0
    line = next(line.split() for line in out.splitlines() if line.split()[:1] == ["NDVI"])
    assert {"uint8", "0.004", "-0.08", "255"} <= set(line)


@pytest.mark.parametrize("product", [product.id for product in list_products()])
def test_every_product_can_be_described(capsys: pytest.CaptureFixture[str], product: str) -> None:
    assert run(capsys, "products", product)[0] == 0


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    code = f"{sys.executable} -c 'import sys; from terrascope_nb.cli import main; sys.exit(main())' products | head -1"
    ran = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    assert ran.stdout.count("\n") == 1


def test_an_interrupt_ends_quietly_with_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_products", interrupt)
    assert run(capsys, "products") == (130, "", "Stopped.\n")


def test_what_we_chose_for_the_user_is_a_note_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(_: object) -> int:
        for _ in range(2):
            warnings.warn("kept V210", TerrascopeWarning, stacklevel=2)
        warnings.warn("a library's own business", FutureWarning, stacklevel=2)
        print("result")
        return 0

    monkeypatch.setattr(cli, "_products", choose)
    assert run(capsys, "products") == (0, "result\n", "note: kept V210\nnote: kept V210\n")


def test_a_disk_error_is_one_message(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> int:
        raise PermissionError(13, "Permission denied", "index.parquet")

    monkeypatch.setattr(cli, "_index", fail)
    code, _, err = run(capsys, "index", ".")
    assert code == 1
    assert err == "terrascope-nb: [Errno 13] Permission denied: 'index.parquet'\n"


@pytest.mark.parametrize("status", ["ok", "warn", "problem"])
def test_the_doctors_exit_code_tells_a_script_whether_something_is_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    check = Check("STAC", status, "seen", "" if status == "ok" else "do this")  # type: ignore[arg-type]
    monkeypatch.setattr("terrascope_nb.recipes.checks.doctor", lambda: Report((check,), 0.1))
    code, out, _ = run(capsys, "doctor", "--json")
    assert code == (1 if status == "problem" else 0)
    assert json.loads(out)["checks"][0]["status"] == status
    assert "seen" in run(capsys, "doctor")[1]


# What follows runs on the sample archive.


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cli")
    with options(cache_dir=folder / "cache", config_dir=folder / "config", offline=True):
        assert cli.main(["sample", "--folder", str(folder / "archive")]) == 0
        yield folder / "archive"


def days_in_july(archive: Path) -> list[str]:
    folders = (archive / "TERRASCOPE_Sentinel2/TOC_V2/2018/07").iterdir()
    return [f"2018-07-{folder.name}" for folder in sorted(folders)]


def search_july(capsys: pytest.CaptureFixture[str], archive: Path, *argv: str) -> tuple[int, str, str]:
    return run(capsys, "search", "s2-toc", "--area", BOX, "--period", "2018-07", "--source", str(archive), *argv)


def test_sample_prints_nothing_but_its_folder(capsys: pytest.CaptureFixture[str], archive: Path) -> None:
    assert run(capsys, "sample", "--folder", str(archive))[:2] == (0, f"{archive}\n")


def test_sample_does_not_touch_a_folder_with_other_things(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = run(capsys, "sample", "--folder", str(tmp_path))
    assert code == 1
    assert "not an empty folder" in err


def test_search_prints_a_table_csv_geojson_and_stac_of_the_same_items(
    capsys: pytest.CaptureFixture[str], archive: Path
) -> None:
    days = days_in_july(archive)
    code, table, _ = search_july(capsys, archive)
    assert code == 0
    assert all(day in table for day in days)

    rows = list(csv.DictReader(io.StringIO(search_july(capsys, archive, "--format", "csv")[1])))
    assert [row["time"][:10] for row in rows] == days

    footprints = json.loads(search_july(capsys, archive, "--format", "geojson")[1])
    assert [feature["properties"]["time"][:10] for feature in footprints["features"]] == days

    document = json.loads(search_july(capsys, archive, "--format", "json")[1])
    assert [item.datetime.date().isoformat() for item in pystac.ItemCollection.from_dict(document)] == days


def test_search_writes_the_file_its_ending_names(
    capsys: pytest.CaptureFixture[str], archive: Path, tmp_path: Path
) -> None:
    for ending in ("csv", "geojson", "json", "parquet"):
        code, out, _ = search_july(capsys, archive, "--out", str(tmp_path / f"july.{ending}"))
        assert (code, out) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"july.{ending}" for ending in ("csv", "geojson", "json", "parquet")
    ]
    again = run(capsys, "search", "s2-toc", "--source", str(tmp_path / "july.json"), "--format", "csv")[1]
    assert [row["time"][:10] for row in csv.DictReader(io.StringIO(again))] == days_in_july(archive)


def test_limit_and_cloud_narrow_the_search(capsys: pytest.CaptureFixture[str], archive: Path) -> None:
    clear = list(csv.DictReader(io.StringIO(search_july(capsys, archive, "--max-cloud", "20", "--format", "csv")[1])))
    assert 0 < len(clear) < 8
    assert all(float(row["cloud"]) <= 20 for row in clear)
    assert search_july(capsys, archive, "--limit", "2", "--format", "csv")[1].count("\n") == 3


def test_a_bbox_that_begins_with_a_minus_is_understood(capsys: pytest.CaptureFixture[str], archive: Path) -> None:
    code, out, _ = run(
        capsys, "search", "s2-toc", "--area", "-1.5,50,4,51", "--period", "2018-07-05", "--source", str(archive)
    )
    assert code == 0
    assert "2018-07-05" in out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--area", "Nowherehausen", "--period", "2018"), "Nowherehausen"),
        (("--area", BOX, "--period", "2018-09/2018-04"), "2018-09"),
        (("--area", BOX, "--period", "spring"), "spring"),
    ],
)
def test_a_bad_area_or_period_is_one_message_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], archive: Path, argv: tuple[str, ...], said: str
) -> None:
    code, out, err = run(capsys, "search", "s2-toc", "--source", str(archive), *argv)
    assert (code, out) == (2, "")
    assert said in err


def test_index_prints_the_file_it_made(capsys: pytest.CaptureFixture[str], archive: Path, tmp_path: Path) -> None:
    code, out, err = run(capsys, "index", str(archive), "--out", str(tmp_path / "index.parquet"))
    assert code == 0
    assert Path(out.strip()).exists()
    assert "236 items" in err


def test_export_writes_the_physical_values_of_the_files(
    capsys: pytest.CaptureFixture[str], archive: Path, tmp_path: Path
) -> None:
    target = tmp_path / "july.nc"
    code, out, _ = run(
        capsys, "export", "s2-toc", "--area", BOX, "--period", "2018-07-05", "--source", str(archive),
        "--bands", "red,nir", "--out", str(target),
    )  # fmt: skip
    assert (code, out) == (0, f"{target}\n")
    file = next(archive.rglob("S2B_20180705T*_TOC-B08_10M_V000.tif"))
    with xr.open_dataset(target) as cube, rasterio.open(file) as dataset:
        assert set(cube.data_vars) >= {"red", "nir"}
        left, top = float(cube.x[0]), float(cube.y[0])
        row, column = dataset.index(left, top)
        stored = dataset.read(1)[row : row + cube.sizes["y"], column : column + cube.sizes["x"]]
        np.testing.assert_allclose(cube.nir.isel(time=0).values, stored * 0.0001, rtol=1e-6)


def test_export_refuses_to_replace_a_file_and_an_unknown_band(
    capsys: pytest.CaptureFixture[str], archive: Path, tmp_path: Path
) -> None:
    target = tmp_path / "july.nc"
    target.write_text("mine")
    words = (
        "export",
        "s2-toc",
        "--area",
        BOX,
        "--period",
        "2018-07-05",
        "--source",
        str(archive),
        "--out",
        str(target),
    )
    code, _, err = run(capsys, *words)
    assert code == 1
    assert "exists already" in err
    assert "--overwrite" in err
    assert "overwrite=True" not in err
    assert target.read_text() == "mine"
    code, _, err = run(capsys, *words, "--bands", "B09")
    assert code == 2
    assert "B09" in err
