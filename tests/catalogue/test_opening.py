from __future__ import annotations

import json
import stat
import warnings

import pytest

from terrascope_nb.catalogue.api import ApiSource
from terrascope_nb.catalogue.archive import ArchiveIndex, index_archive
from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.offline import SampleSource, sample_archive
from terrascope_nb.catalogue.opening import open_source, roots_of
from terrascope_nb.catalogue.query import search
from terrascope_nb.catalogue.static import StaticSource
from terrascope_nb.errors import CatalogueUnreachableError, ExportError, TerrascopeWarning, redacted
from terrascope_nb.settings import options


@pytest.fixture
def offline():
    with options(offline=True, archive_roots=("/nowhere",)):
        yield


@pytest.fixture
def archive(tmp_path):
    """An archive root with the headers of one real scene."""
    folder = tmp_path / "MTDA/TERRASCOPE_Sentinel2/NDVI_V2/2020/05/07/S2A_20200507T104031_31UFS_NDVI_V210"
    folder.mkdir(parents=True)
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin

    path = folder / "S2A_20200507T104031_31UFS_NDVI_10M_V210.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=16, height=16, count=1, dtype="uint8", crs="EPSG:32631", nodata=255,
        transform=from_origin(600000, 5700000, 10, 10),
    ) as file:  # fmt: skip
        file.write(np.zeros((16, 16), "uint8"), 1)
    return tmp_path / "MTDA"


def test_an_address_a_client_a_path_and_the_word_sample_are_sources(stac_server, page, tmp_path, offline, record):
    import pystac_client

    server = stac_server(lambda body: page([]))
    assert isinstance(open_source(server.url), ApiSource)
    assert isinstance(open_source(pystac_client.Client.open(server.url)), ApiSource)
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [record()]}))
    assert isinstance(open_source(path), StaticSource)
    assert isinstance(open_source(str(path)), StaticSource)
    assert isinstance(open_source("sample"), SampleSource)


def test_an_indexed_archive_is_searched_by_its_root_or_its_index(archive, offline):
    index = index_archive(archive)
    for what in (index, archive, str(index.path)):
        source = open_source(what)
        assert isinstance(source, ArchiveIndex)
        items = search("s2-ndvi", source=what)
        assert [item.id for item in items] == ["S2A_20200507T104031_31UFS_NDVI_10M_V210"]
    assert roots_of(open_source(archive)) == (archive,)
    assert items[0].assets["NDVI"].href
    assert search("s2-ndvi", source=archive).to_dataframe()["access"].tolist() == ["local"]


def test_a_saved_answer_is_a_source_too(make_item, tmp_path):
    from terrascope_nb.catalogue.items import Items

    path = Items([make_item()]).save(tmp_path / "x.parquet")
    assert len(search("s2-ndvi", source=path)) == 1


def test_the_api_of_the_settings_is_asked_when_it_answers(stac_server, page, record):
    server = stac_server(lambda body: page([record()]))
    with options(stac_url=server.url, offline=False), warnings.catch_warnings():
        warnings.simplefilter("error")
        items = search("s2-ndvi")
    assert (len(items), items.source) == (1, server.url)


def test_the_front_page_of_a_server_is_read_once_for_many_searches(stac_server, page, record):
    server = stac_server(lambda body: page([record()]))
    for _ in range(3):
        search("s2-ndvi", source=server.url)
    assert [path for _, path, _ in server.asked].count("/") == 1


def test_a_server_that_was_down_is_asked_again(stac_server, page, record):
    down = [True]
    server = stac_server(lambda body: (503, {}, b"") if down[0] else page([record()]))
    with pytest.raises(CatalogueUnreachableError):
        search("s2-ndvi", source=server.url)
    down[0] = False
    assert len(search("s2-ndvi", source=server.url)) == 1


def test_without_a_server_the_index_of_a_mounted_root_is_searched_and_it_is_said(archive):
    with options(stac_url="http://127.0.0.1:9", offline=False, archive_roots=(archive,)):
        index_archive(archive)
        with pytest.warns(TerrascopeWarning, match=r"127.0.0.1:9 is not asked.*the index of .*MTDA is searched"):
            items = search("s2-ndvi")
    assert len(items) == 1


def test_without_server_and_mount_the_sample_is_searched_and_it_is_said(offline):
    with pytest.warns(TerrascopeWarning, match=r"option offline is set.*sample archive"):
        items = search("s2-ndvi", (3.02, 50.81, 3.03, 50.82), "2018-07")
    assert len(items) > 3
    assert items.source == "sample archive"
    assert set(items.to_dataframe()["access"]) == {"local"}


def test_the_sample_archive_is_unpacked_and_indexed_once(offline):
    root = sample_archive()
    assert (root / "TERRASCOPE_Sentinel2").is_dir()
    before = open_source(root)
    assert sample_archive() == root
    assert before.path.stat().st_mtime == open_source(root).path.stat().st_mtime


def test_the_sample_knows_the_clouds_of_its_scenes(offline):
    every = search("s2-toc", source="sample")
    assert len(every) == 118
    clear = search("s2-toc", max_cloud=5, source="sample")
    assert 20 < len(clear) < 118
    assert all(item.properties["eo:cloud_cover"] <= 5 for item in clear)


def test_the_samples_radar_stands_in_for_terrascopes_and_it_is_said(offline):
    items = search("s1-sigma0", None, "2018-05", source="sample")
    assert len(items) > 3
    assert any("no Terrascope product" in note for note in items.notes)
    assert set(items.to_dataframe()["access"]) == {"local"}
    assert items.to_dataframe()["id"].str.startswith("s1-sigma0-sample").all()


def test_an_area_off_the_sample_says_where_the_sample_is(offline):
    items = search("s2-toc", (10, 45, 10.1, 45.1), source="sample")
    assert len(items) == 0
    assert any("Flanders" in note for note in items.notes)


def test_a_search_that_fails_shows_no_password():
    address = "http://user:s3cret@127.0.0.1:9/stac?token=s3cret"
    with pytest.raises(CatalogueUnreachableError) as caught:
        search("s2-ndvi", period="2020-05", source=address)
    assert "127.0.0.1:9" in str(caught.value)
    assert "s3cret" not in f"{caught.value} {caught.value.facts} {caught.value.url}"


def test_what_is_searched_instead_is_said_without_a_password():
    with options(stac_url="http://user:s3cret@127.0.0.1:9", offline=True), pytest.warns(TerrascopeWarning) as said:
        items = search("s2-ndvi")
    assert "s3cret" not in " ".join(str(one.message) for one in said)
    assert "s3cret" not in Items([], source="http://user:s3cret@127.0.0.1:9?sig=s3cret").source + items.source


@pytest.mark.parametrize(
    "name", ["token", "key", "sig", "signature", "password", "access_token", "X-Amz-Signature", "code", "api_key"]
)
def test_the_value_of_a_secret_parameter_is_left_out(name):
    assert redacted(f"see https://a.be/x?page=2&{name}=abc&z=1.") == f"see https://a.be/x?page=2&{name}=***&z=1."


def test_an_index_made_elsewhere_is_trusted_by_who_made_it_for_that_archive_only(archive, offline, tmp_path):
    place = tmp_path / "ix"
    with options(config_dir=tmp_path / "mine"):
        index_archive(archive, out=place)
        assert list(search("s2-ndvi", source=str(place)).to_dataframe()["access"]) == ["local"]
        assert stat.S_IMODE((tmp_path / "mine/indexes.json").stat().st_mode) == 0o600
        (tmp_path / "mine/indexes.json").write_text(json.dumps({str(place): "/elsewhere"}))
        assert roots_of(open_source(place)) == ()
    with options(config_dir=tmp_path / "theirs"):
        assert roots_of(open_source(place)) == ()


def test_an_index_that_cannot_be_written_says_where_and_what_to_do(archive, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match=r"Give out= a folder of yours"):
        index_archive(archive, out=tmp_path / "file" / "ix")
