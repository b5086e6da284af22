"""Real files of Terrascope and its neighbours, against rasterio, netCDF4 and numpy on the same bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import netCDF4
import numpy as np
import odc.stac
import pystac
import pytest
import rasterio
import rioxarray  # noqa: F401 - registers .rio
import shapely
import xarray as xr

from terrascope_nb.analysis.zones import time_series
from terrascope_nb.catalogue.items import Items
from terrascope_nb.cube.loader import load
from terrascope_nb.errors import UnknownEncodingError
from terrascope_nb.extent.aoi import area as make_area
from terrascope_nb.products.registry import get_product
from terrascope_nb.settings import options

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(autouse=True)
def only_the_test_data():
    with options(archive_roots=(DATA,), offline=True):
        yield


def read(path, band=1) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(band)


def item_of(name, collection, assets, moment=None) -> pystac.Item:
    """An item that says nothing but its name, time and hrefs."""
    moment = moment or datetime.strptime(name.split("_")[1].rstrip("Z"), "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    item = pystac.Item(name, None, None, moment, {})
    item.collection_id = collection
    for key, path in assets.items():
        item.add_asset(key, pystac.Asset(str(path), media_type="image/tiff; application=geotiff", roles=["data"]))
    return item


# ---- V102: no nodata tag, a few nodata and negative numbers

V102 = DATA / "s2_v102_31UFS"
STEM = "small_subset_S2B_20180705T105029Z_31UFS"


def v102_toc():
    return item_of(
        "S2B_20180705T105029Z_31UFS_TOC_V102", "terrascope-s2-toc-v2",
        {"B04": V102 / f"{STEM}_TOC-B04_10M_V102.tif", "SCL": V102 / f"{STEM}_SCENECLASSIFICATION_20M_V102.tif"},
    )  # fmt: skip


def test_reflectance_of_v102_without_a_nodata_tag():
    stored = read(V102 / f"{STEM}_TOC-B04_10M_V102.tif")
    assert (stored == 32767).sum() == 501
    assert (stored < 0).sum() == 3
    cube = load([v102_toc()], "red").compute()
    expected = np.where(stored == 32767, np.nan, stored * 0.0001).astype("float32")
    np.testing.assert_array_equal(cube.red[0], expected, strict=True)
    assert float(cube.red.min()) == np.float32(-0.0303)
    assert cube.odc.geobox.boundingbox.bbox == (600000, 5695000, 605000, 5700000)


def test_fapar_of_v102_without_a_nodata_tag():
    stored = read(V102 / f"{STEM}_FAPAR_10M_V102.tif")
    item = item_of(
        "S2B_20180705T105029Z_31UFS_FAPAR_10M_V102", "terrascope-s2-fapar-v2",
        {"FAPAR": V102 / f"{STEM}_FAPAR_10M_V102.tif"},
    )  # fmt: skip
    fapar = load([item]).compute().FAPAR
    np.testing.assert_array_equal(fapar[0], np.where(stored > 200, np.nan, stored * 0.005).astype("float32"))
    assert 0.9 < float(fapar.max()) <= 1
    assert 0.3 < float(fapar.mean()) < 0.8  # fields and heath in July


def test_the_scene_classification_of_v102_masks_at_10_m():
    stored = read(V102 / f"{STEM}_TOC-B04_10M_V102.tif")
    classes = np.kron(read(V102 / f"{STEM}_SCENECLASSIFICATION_20M_V102.tif"), np.ones((2, 2), "uint8"))
    cube = load([v102_toc()], ["red", "SCL"], mask="clear").compute()
    keep = np.isin(classes, (2, 4, 5, 6, 7)) & (stored != 32767)
    np.testing.assert_array_equal(cube.red[0], np.where(keep, stored * 0.0001, np.nan).astype("float32"))
    np.testing.assert_array_equal(cube.SCL[0], classes)


def test_items_without_a_collection_follow_the_product_they_were_searched_for():
    item = v102_toc()
    item.collection_id = None
    cube = load(Items([item], product=get_product("s2-toc")), "red")
    assert cube.attrs["product"] == "s2-toc"
    assert float(cube.red.max()) < 1


# ---- V101: two parcels through a year


def parcel_items(parcel: str) -> list[pystac.Item]:
    items = []
    for path in sorted((DATA / "s2_v101_fields" / parcel).glob("*_FAPAR_10M_V101.tif")):
        classes = path.with_name(path.name.replace("FAPAR_10M", "SCENECLASSIFICATION_20M"))
        assets = {"FAPAR": path} | ({"SCL": classes} if classes.exists() else {})
        items.append(item_of(path.stem, "terrascope-s2-fapar-v2", assets))
    return items


@pytest.fixture(scope="module")
def parcels() -> dict[str, shapely.Polygon]:
    texts = json.loads((DATA / "parcel_masks" / "parcels.json").read_text())
    return {name: shapely.from_wkt(text) for name, text in texts.items()}


@pytest.mark.parametrize(("parcel", "dates"), [("190", 49), ("2", 50)])
def test_fapar_of_a_parcel_equals_the_mean_over_its_mask_straight_from_the_files(parcels, parcel, dates):
    area = make_area(parcels[parcel], crs=32631)
    items = parcel_items(parcel)
    cube = load(items, area=area)
    assert cube.sizes["time"] == dates
    table = time_series(cube, area)
    inside = read(DATA / "parcel_masks" / f"fieldmask_{parcel}.tif") == 0
    for row, item in zip(table.itertuples(), sorted(items, key=lambda one: one.datetime), strict=True):
        stored = read(item.assets["FAPAR"].href)[inside]
        valid = stored[stored <= 200] * 0.005
        assert row.time.to_pydatetime().replace(tzinfo=UTC) == item.datetime
        assert row.count == valid.size
        assert row.valid_percent == pytest.approx(100 * valid.size / inside.sum())
        if valid.size:
            assert row.mean == pytest.approx(valid.mean(), abs=1e-6)
            assert row.std == pytest.approx(valid.std(), abs=1e-5)
        else:
            assert np.isnan(row.mean)


@pytest.mark.parametrize("parcel", ["190", "2"])
def test_every_pixel_of_a_parcels_cube_is_the_files_and_the_mask_is_terrascopes_own(parcels, parcel):
    items = sorted(parcel_items(parcel), key=lambda one: one.datetime)
    cube = load(items, area=make_area(parcels[parcel], crs=32631)).compute()
    with rasterio.open(DATA / "parcel_masks" / f"fieldmask_{parcel}.tif") as file:
        outside, transform = file.read(1) != 0, file.transform
    rows = ((transform.f - cube.y.values) / 10).astype(int)
    cols = ((cube.x.values - transform.c) / 10).astype(int)
    at = np.ix_(rows, cols)
    assert (~outside).sum() == (~outside[at]).sum()
    for number, item in enumerate(items):
        stored = read(item.assets["FAPAR"].href)[at]
        gone = outside[at] | (stored > 200)
        np.testing.assert_array_equal(cube.FAPAR[number], np.where(gone, np.nan, stored * 0.005).astype("float32"))


@pytest.mark.parametrize("parcel", ["190", "2"])
@pytest.mark.filterwarnings("ignore:.*items have no quality band")
def test_the_season_of_a_parcel_is_believable(parcels, parcel):
    area = make_area(parcels[parcel], crs=32631)
    cube = load(parcel_items(parcel), area=area, mask="clear")
    table = time_series(cube, area).query("valid_percent > 80").set_index("time")["mean"]
    assert table.between(0, 1).all()
    winter = table[(table.index.month <= 2) | (table.index.month >= 11)].mean()
    summer = table["2017-07-01":"2017-08-15"].mean()
    assert winter < 0.3
    assert summer > 0.7
    assert table.idxmax().month in (7, 8)


def test_a_classification_cut_one_pixel_wider_than_its_band_still_lies_right():
    # SCL covers x 603980..604160, FAPAR 603990..604150: on 10 m the edges do not coincide.
    item = parcel_items("190")[0]
    cube = load([item], ["FAPAR", "SCL"]).compute()
    with rasterio.open(item.assets["SCL"].href) as file:
        for x, y in ((603985, 5663315), (603995, 5663305), (604145, 5663125), (604155, 5663135)):
            expected = next(file.sample([(x, y)]))[0]
            assert cube.SCL.sel(x=x, y=y).item() == expected


# ---- V200: every band and resolution in a window of 60 m

V200 = DATA / "archive_tree/TERRASCOPE_Sentinel2/TOC_V2/2019/08/21/S2A_20190821T104031_31UFS_TOC_V200"
V200_BANDS = {
    **dict.fromkeys(("B02", "B03", "B04", "B08"), (10, 0.0001)),
    **dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12"), (20, 0.0001)),
    "B01": (60, 0.0001), "AOT": (60, 0.001), "WVP": (60, 0.001), "SZA": (60, 0.01), "VZA": (60, 0.01), "RAA": (60, 0.01),
}  # fmt: skip


def v200() -> pystac.Item:
    assets = {}
    for path in sorted(V200.glob("*.tif")):
        content = path.name.split("_")[3]
        assets["SCL" if content.startswith("SCENE") else content.rsplit("-", 1)[-1]] = path
    return item_of(V200.name, "terrascope-s2-toc-v2", assets)


def test_all_bands_of_a_v200_product_on_one_grid():
    item = v200()
    cube = load([item], [*V200_BANDS, "SCL"]).compute()
    assert cube.sizes == {"time": 1, "y": 6, "x": 6}
    for name, (size, scale) in V200_BANDS.items():
        stored = np.kron(read(item.assets[name].href), np.ones((size // 10, size // 10), "int64"))
        expected = np.where(stored == 32767, np.nan, stored * scale).astype("float32")
        np.testing.assert_array_equal(cube[name][0], expected, err_msg=name)
    classes = np.kron(read(item.assets["SCL"].href), np.ones((2, 2), "uint8"))
    np.testing.assert_array_equal(cube.SCL[0], classes)
    assert {cube[name].attrs["units"] for name in ("SZA", "VZA", "RAA")} == {"degree"}
    assert 20 < float(cube.SZA.mean()) < 60  # the sun over Belgium, August, half past ten


@pytest.mark.parametrize("name", V200_BANDS)
def test_each_band_of_a_v200_product_alone_is_on_its_own_pixels(name):
    size, scale = V200_BANDS[name]
    item = v200()
    cube = load([item], name).compute()
    stored = read(item.assets[name].href)
    np.testing.assert_array_equal(cube[name][0], np.where(stored == 32767, np.nan, stored * scale).astype("float32"))
    assert cube[name].shape == (1, 60 // size, 60 // size)
    assert float(cube.x[0]) == 650000 + size / 2


# ---- Sentinel-1 sigma0 V110

S1 = "S1A_IW_GRDH_SIGMA0_DV_20190815T173249_ASCENDING_161_91E0_V110"


def sigma0() -> pystac.Item:
    folder = DATA / "archive_tree/CGS_S1/CGS_S1_GRD_SIGMA0_L1/2019/08/15" / S1
    when = datetime(2019, 8, 15, 17, 32, 49, tzinfo=UTC)
    assets = {key: folder / f"{S1}_{key}.tif" for key in ("VV", "VH", "angle")}
    return item_of(S1, "terrascope-s1-grd-sigma0-v1", assets, when)


def test_sigma0_is_linear_as_stored():
    item = sigma0()
    cube = load([item], ["VV", "VH"]).compute()
    for key in ("VV", "VH"):
        np.testing.assert_array_equal(cube[key][0], read(item.assets[key].href), strict=False)
        assert 1e-4 < float(cube[key].mean()) < 1
    assert cube.VV.attrs["units"] == "1"


def test_the_incidence_angle_has_no_published_scale_and_says_so():
    cube = load([sigma0()], "angle")
    with pytest.raises(UnknownEncodingError, match=r"angle.*physical=False"):
        cube.compute()
    stored = load([sigma0()], "angle", physical=False).compute()
    np.testing.assert_array_equal(stored.angle[0], read(sigma0().assets["angle"].href))
    assert stored.angle.dtype == "uint16"


# ---- CGLS FAPAR in netCDF


def test_cgls_fapar_in_netcdf_has_right_values_and_its_flags_are_nan():
    path = DATA / "cgls_fapar/c_gls_FAPAR_200907100000_GLOBE_VGT_V2.0.1.nc"
    item = item_of(path.stem, "BioPar_FAPAR_V2_Global", {"FAPAR": path}, datetime(2009, 7, 10, tzinfo=UTC))
    item.assets["FAPAR"].media_type = "application/x-netcdf"
    cube = load([item]).compute()
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        stored, x, y = file["FAPAR"][0].view("uint8"), file["x"][:], file["y"][:]
    assert (stored > 235).any()
    expected = np.where(stored > 235, np.nan, stored.astype("float64") / 250).astype("float32")
    np.testing.assert_array_equal(cube.FAPAR[0], expected)
    np.testing.assert_allclose(cube.x, x, atol=1e-9)
    np.testing.assert_allclose(cube.y, y, atol=1e-9)
    assert cube.rio.crs.to_epsg() == 4326
    belgium = load([item], area=(4.0, 50.5, 5.0, 51.0)).compute().FAPAR
    assert 0.3 < float(belgium.mean()) < 0.9  # July


# ---- other people's STAC


@pytest.fixture(scope="module")
def mol() -> list[pystac.Item]:
    return [pystac.Item.from_file(str(path)) for path in sorted((DATA / "stac_3dates_mol").rglob("*.tif.json"))]


def test_a_foreign_collection_with_three_bands_in_a_file(mol):
    cube = load(mol).compute()
    assert list(cube.data_vars) == ["B04", "B03", "B02"]
    assert cube.time.dt.day.values.tolist() == [1, 4, 6]
    for number, item in enumerate(sorted(mol, key=lambda one: one.datetime)):
        path = Path(item.get_self_href()).with_suffix("")
        for band, name in enumerate(("B04", "B03", "B02"), start=1):
            stored = read(path, band)
            expected = np.where(stored == -32768, np.nan, stored).astype("float32")
            # Nobody states a scale, and no table of ours covers the collection: numbers stand for themselves.
            np.testing.assert_array_equal(cube[name][number], expected)
    assert cube.attrs["attribution"] == ""  # not Terrascope's, so it is not said to be


def test_probav_ndvi_of_a_foreign_item_without_scale_and_with_oblong_pixels():
    item = pystac.Item.from_file(str(DATA / "probav_ndvi/item.json"))
    assert list(load([item]).data_vars) == ["openEO_2017-11-21Z_N51E003.tif"]  # the asset's key
    cube = load([item], "NDVI").compute()  # and the name it gives its band
    path = DATA / "probav_ndvi/openEO_2017-11-21Z_N51E003.tif"
    stored = read(path)
    np.testing.assert_array_equal(cube.NDVI[0], np.where(stored == 255, np.nan, stored).astype("float32"))
    with rasterio.open(path) as file:
        np.testing.assert_allclose(np.array(cube.rio.transform()), np.array(file.transform), rtol=1e-12)


def test_probav_ndvi_said_to_be_the_product_is_decoded_by_the_table():
    item = pystac.Item.from_file(str(DATA / "probav_ndvi/item.json"))
    item.collection_id = "terrascope-probav-s10-toc-ndvi-333m-cog-v2"
    stored = read(DATA / "probav_ndvi/openEO_2017-11-21Z_N51E003.tif")
    expected = np.where(stored > 250, np.nan, stored * 0.004 - 0.08).astype("float32")
    item.assets["openEO_2017-11-21Z_N51E003.tif"].extra_fields |= {"raster:scale": 0.004, "raster:offset": -0.08}
    np.testing.assert_array_equal(load([item], "NDVI").compute().NDVI[0], expected)


def test_a_window_of_oblong_pixels_in_degrees_is_rasterios():
    item = pystac.Item.from_file(str(DATA / "probav_ndvi/item.json"))
    cube = load([item], "NDVI", area=(3.5, 51.2, 3.6, 51.3)).compute()
    path = DATA / "probav_ndvi/openEO_2017-11-21Z_N51E003.tif"
    with rasterio.open(path) as file:
        row, col = file.index(float(cube.x[0]), float(cube.y[0]))
        stored = file.read(1)[row : row + cube.sizes["y"], col : col + cube.sizes["x"]]
    np.testing.assert_array_equal(cube.NDVI[0], np.where(stored == 255, np.nan, stored).astype("float32"))


# ---- two other loaders on the native grid


def test_odc_stac_and_rioxarray_agree_on_the_native_grid(make_scene, root, utm_box):
    pick = np.random.default_rng(10)
    reds = pick.integers(-200, 9000, (400, 300)).astype("int16")
    reds[pick.random(reds.shape) < 0.1] = 32767
    with options(archive_roots=(root,), offline=True):
        item = make_scene({"B04": reds, "B11": pick.integers(0, 9000, (200, 150)).astype("int16")})
        for number in range(5):
            left, top = 600000 + 20 * pick.integers(0, 60), 5700000 - 20 * pick.integers(0, 60)
            area = utm_box(left, top - 20 * (number + 3), left + 20 * (2 * number + 5), top)
            cube = load([item], ["B04", "B11"], area=area).compute()
            plain = item.clone()
            for asset in plain.assets.values():
                asset.href = asset.extra_fields["alternate"]["local"]["href"].removeprefix("file://")
            theirs = odc.stac.load([plain], bands=["B04", "B11"], geobox=cube.odc.geobox)
            for name in ("B04", "B11"):
                stored = theirs[name].values
                expected = np.where(stored == 32767, np.nan, stored * 0.0001).astype("float32")
                np.testing.assert_array_equal(cube[name], expected)
            with xr.open_dataset(plain.assets["B04"].href, engine="rasterio", mask_and_scale=False) as raster:
                clipped = raster.band_data[0].rio.clip_box(*cube.odc.geobox.buffered(-1).boundingbox.bbox)
                np.testing.assert_array_equal(clipped.x, cube.x)
                np.testing.assert_array_equal(clipped.y, cube.y)
                expected = np.where(clipped == 32767, np.nan, clipped * 0.0001).astype("float32")
                np.testing.assert_array_equal(cube.B04[0], expected)
