"""Files that are missing, damaged, forbidden or behind a failing server: named, never zeros, never a silent gap."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio

from terrascope_nb.cube.compute import compute, explain, failures
from terrascope_nb.cube.loader import load
from terrascope_nb.errors import (
    AccessError,
    AssetUnreachableError,
    CorruptAssetError,
    NothingFoundError,
    NotLoadableError,
    TerrascopeWarning,
    UntrustedPathError,
)

GOOD, BAD = "S2B_20180705T105029_31UFS_TOC_V210", "S2B_20180710T105029_31UFS_TOC_V210"


def path_of(item, key="B04") -> Path:
    return Path(item.assets[key].extra_fields["alternate"]["local"]["href"].removeprefix("file://"))


def reds(side=600) -> np.ndarray:
    return np.random.default_rng(4).integers(1, 9000, (side, side)).astype("int16")


@pytest.fixture
def pair(make_scene):
    """A good scene and one whose file a test spoils."""
    values = {"B04": reds(), "SCL": np.full((300, 300), 4, "uint8")}
    return [make_scene(values), make_scene(values, time="20180710T105029")]


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def page(path: Path) -> None:
    path.write_text("<!DOCTYPE html><html><body>Please sign in</body></html>")


def scramble(path: Path) -> None:
    """Overwrite the middle of the pixels; header and length stay as they were."""
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2 : len(whole) // 2 + 4000] = b"\x55" * 4000
    path.write_bytes(whole)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere.tif"))


BEFORE = [remove, truncate, empty, page, folder, dangling]
SPOILED = [*BEFORE, scramble]


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda spoil: spoil.__name__)
def test_a_bad_file_is_an_error_that_names_item_and_asset(pair, spoil):
    spoil(path_of(pair[1]))
    cube = load(pair, "B04")
    np.testing.assert_array_equal(cube.B04[0], (reds() * 0.0001).astype("float32"))  # the good date is not harmed
    with pytest.raises(AccessError, match=rf"(?s){BAD}.*B04|B04.*{BAD}") as caught:
        compute(cube)
    assert isinstance(caught.value, OSError)
    assert caught.value.item == BAD
    assert caught.value.asset == "B04"
    again = pickle.loads(pickle.dumps(caught.value))  # as a worker sends it home
    assert (type(again), str(again), again.item) == (type(caught.value), str(caught.value), BAD)


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda spoil: spoil.__name__)
def test_a_skipped_file_is_nan_and_in_the_failures(pair, spoil):
    spoil(path_of(pair[1]))
    cube = load(pair, ["B04", "SCL"], on_error="skip")
    if spoil is not scramble:  # all the others show before a pixel is read
        assert failures(cube)[["item", "asset"]].to_numpy().tolist() == [[BAD, "B04"]]
    result = compute(cube)
    np.testing.assert_array_equal(result.B04[0], (reds() * 0.0001).astype("float32"))
    assert np.isnan(result.B04[1]).all()
    assert (result.SCL == 4).all()
    table = failures(result)
    assert list(table.columns) == ["item", "asset", "href", "reason"]
    assert table[["item", "asset"]].to_numpy().tolist() == [[BAD, "B04"]]
    assert path_of(pair[1]).name in table.href[0]
    assert table.reason[0]
    if spoil is not scramble:
        assert BAD in str(explain(cube)).partition("failed")[2].partition("\n")[0]


def test_nothing_failed_is_an_empty_table(pair):
    table = failures(load(pair, "B04", on_error="skip"))
    assert len(table) == 0
    assert list(table.columns) == ["item", "asset", "href", "reason"]


@pytest.mark.parametrize("spoil", [remove, empty, page, folder, dangling], ids=lambda spoil: spoil.__name__)
def test_a_bad_file_is_named_by_load_itself_where_its_header_is_needed(make_scene, spoil):
    item = make_scene({"B04": reds(40)}, says=())
    spoil(path_of(item))
    with pytest.raises(AccessError, match=rf"{GOOD}.*B04|B04.*{GOOD}"):
        load([item], "B04")


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda spoil: spoil.__name__)
def test_a_bad_quality_file_masks_its_date_whole_and_is_listed(pair, spoil):
    spoil(path_of(pair[1], "SCL"))
    with pytest.raises(AccessError, match="SCL"):
        compute(load(pair, "B04", mask="clear"))
    result = compute(load(pair, "B04", mask="clear", on_error="skip"))
    if spoil is not scramble or len(failures(result)):
        assert np.isnan(result.B04[1]).all()
        assert failures(result).asset.tolist() == ["SCL"]
    assert np.isfinite(result.B04[0]).all()


def test_a_bad_file_beside_a_good_neighbour_leaves_the_neighbours_pixels(make_scene):
    numbers = reds(40)
    items = [make_scene({"B04": numbers}, tile="31UES"), make_scene({"B04": numbers}, tile="31UFS")]
    truncate(path_of(items[0]))
    result = compute(load(items, "B04", on_error="skip"))
    np.testing.assert_array_equal(result.B04[0], (numbers * 0.0001).astype("float32"))
    assert failures(result).item.tolist() == [items[0].id]


def test_a_file_that_is_whole_again_is_no_failure_any_more(pair):
    # The same call again, as when a cell is run twice, has the same token: the old failure must not stick to it.
    good = path_of(pair[1]).read_bytes()
    scramble(path_of(pair[1]))
    assert len(failures(compute(load(pair, "B04", on_error="skip")))) == 1
    path_of(pair[1]).write_bytes(good)
    result = compute(load(pair, "B04", on_error="skip"))
    assert np.isfinite(result.B04).all()
    assert len(failures(result)) == 0


def test_when_all_files_are_gone_the_cube_is_nan_and_all_are_listed(pair):
    for item in pair:
        remove(path_of(item))
    cube = load(pair, "B04", on_error="skip")
    assert failures(cube).item.tolist() == [GOOD, BAD]
    assert np.isnan(compute(cube).B04).all()


def test_an_unknown_on_error_is_refused(pair):
    with pytest.raises(ValueError, match="ignore"):
        load(pair, "B04", on_error="ignore")


# ---- assets that are not there


def test_an_item_that_lacks_a_band_is_said_and_nan(make_scene):
    items = [
        make_scene({"B04": reds(8), "B08": reds(8)}),
        make_scene({"B04": reds(8)}, time="20180710T105029"),
    ]
    with pytest.warns(TerrascopeWarning, match=rf"1 of 2 items have no asset for nir \(B08\).*{BAD}"):
        cube = load(items, ["red", "nir"]).compute()
    assert np.isfinite(cube.red).all()
    assert np.isfinite(cube.nir[0]).all()
    assert np.isnan(cube.nir[1]).all()


def test_a_band_no_item_has_is_an_error_that_lists_the_assets(pair):
    with pytest.raises(NothingFoundError, match=r"B08.*B04, SCL"):
        load(pair, "nir")


@pytest.mark.parametrize(("collection", "said"), [("sentinel-1-slc", "s1-slc"), ("sentinel-1-grd", "s1-grd")])
def test_products_that_are_no_grid_are_refused_with_the_reason(collection, said):
    item = pystac.Item("S1A", None, None, np.datetime64("2020-01-01T00:00:00").item(), {})
    item.collection_id = collection
    with pytest.raises(NotLoadableError, match=rf"{said} cannot be loaded"):
        load([item])


def test_an_hdf5_collection_is_refused_with_the_name_of_its_geotiff_twin():
    item = pystac.Item("PROBAV", None, None, np.datetime64("2017-01-01T00:00:00").item(), {})
    item.collection_id = "terrascope-probav-s10-toc-333m-hdf-v2"
    with pytest.raises(NotLoadableError, match="terrascope-probav-s10-toc-333m-cog-v2"):
        load([item])


# ---- paths a catalogue must not lead to


def pointed(item, href, **extra) -> pystac.Item:
    """The item with its B04 pointing elsewhere."""
    item.assets["B04"].href = href
    item.assets["B04"].extra_fields.pop("alternate")
    item.assets["B04"].extra_fields |= extra
    return item


@pytest.mark.parametrize(
    "href",
    ["file:///etc/passwd", "/etc/passwd", "{secret}", "file://{secret}", "{root}/../private/secret.tif",
     "file://{root}/%2e%2e/private/secret.tif", "{root}/link.tif", "{root}/linked/secret.tif"],
)  # fmt: skip
@pytest.mark.parametrize("how", ["href", "alternate"])
def test_a_catalogue_cannot_lead_out_of_the_archive_roots(make_scene, root, secret, href, how):
    (root / "link.tif").symlink_to(secret)
    (root / "linked").symlink_to(secret.parent)
    href = href.format(root=root, secret=secret)
    item = make_scene({"B04": reds(8)}, write=False)
    if how == "href":
        item = pointed(item, href)
    else:
        item = pointed(item, "s3://bucket/B04.tif", alternate={"local": {"href": href}})
    with pytest.raises(UntrustedPathError, match=GOOD) as caught:
        compute(load([item], "B04"))
    assert isinstance(caught.value, PermissionError)
    result = compute(load([item], "B04", on_error="skip"))
    assert np.isnan(result.B04).all()
    assert failures(result).asset.tolist() == ["B04"]


def test_a_file_in_the_archive_cannot_borrow_pixels_from_outside(make_scene, root, secret):
    # GDAL opens a virtual raster by its content, whatever the name: its sources may lie anywhere.
    item = make_scene({"B04": reds(8)})
    path_of(item).write_text(
        f"""<VRTDataset rasterXSize="8" rasterYSize="8"><SRS>EPSG:32631</SRS>
        <GeoTransform>600000, 10, 0, 5700000, 0, -10</GeoTransform>
        <VRTRasterBand dataType="Int16" band="1"><SimpleSource><SourceFilename relativeToVRT="0">{secret}</SourceFilename>
        <SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"""
    )
    with rasterio.open(path_of(item)) as file:
        assert file.read(1)[0, 0] == 4242  # plain GDAL would
    with pytest.raises(CorruptAssetError):
        compute(load([item], "B04"))


@pytest.mark.parametrize(
    "href", ["s3://eodata/B04.tif", "ftp://somewhere/B04.tif", "/vsicurl/http://127.0.0.1:1/B04.tif"]
)
def test_an_address_that_is_not_used_is_named_with_the_reason(make_scene, href):
    item = pointed(make_scene({"B04": reds(8)}, write=False), href)
    with pytest.raises(AssetUnreachableError, match=rf"{GOOD}") as caught:
        compute(load([item], "B04"))
    assert href in str(caught.value)
