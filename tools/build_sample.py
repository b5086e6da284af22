"""Make the packed sample of the package from the WorldCereal patch 00002806639B424A (a development script).

    python tools/build_sample.py FOLDER

FOLDER holds the netCDF files of the patch as published in WorldCereal/worldcereal-classification, commit 5db1e24d918f,
tests/worldcerealtests/testresources/worldcerealtraining/. Writes terrascope_nb/sample/data/: patch.npz.xz with the
pixels and fields.geojson with parcels traced from the rasterised LPIS labels.
"""

from __future__ import annotations

import argparse
import io
import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.features
import shapely
import xarray as xr
from affine import Affine
from pyproj import Geod, Transformer
from shapely.geometry import mapping, shape

from terrascope_nb.sample.contents import (
    BANDS_10M,
    BANDS_20M,
    CRS,
    LEFT,
    PACKED_NAME,
    POLARISATIONS,
    TOP,
    fold,
    read_contents,
    satellite,
)

DATA = Path(__file__).parents[1] / "terrascope_nb/sample/data"
RADAR_FROM = np.datetime64("2018-01-01")  # keeps the package small; the optical series starts in August 2017
SMALLEST_FIELD_M2 = 5000

# Names of the codes that occur here: legend of the WorldCereal reference data module
# (WorldCereal/ewoc_rdm_web, src/utils/Legends.ts).
CROPS = {
    1200: "maize",
    2130: "cabbages",
    5100: "potatoes",
    7900: "other leguminous crops",
    9120: "permanent grass crops",
}


def open_patch(folder: Path, prefix: str) -> xr.Dataset:
    (path,) = folder.glob(f"{prefix}*.nc")
    return xr.open_dataset(path, mask_and_scale=False)


def check_grid(dataset: xr.Dataset, resolution: int) -> None:
    size = 640 // resolution
    half = resolution / 2
    np.testing.assert_array_equal(dataset.x, LEFT + half + resolution * np.arange(size))
    np.testing.assert_array_equal(dataset.y, TOP - half - resolution * np.arange(size))


def pack(folder: Path) -> bytes:
    fine, coarse, radar = (open_patch(folder, name) for name in ("S2_L2A_10m", "S2_L2A_20m", "S1_GRD-ASCENDING_20m"))
    for dataset, resolution in ((fine, 10), (coarse, 20), (radar, 20)):
        check_grid(dataset, resolution)
    np.testing.assert_array_equal(fine.timestamp, coarse.timestamp)
    for stamp in fine.timestamp.values:
        satellite(stamp.astype("datetime64[D]").item())  # every date must fit the orbit cycle
    radar = radar.sel(timestamp=radar.timestamp >= RADAR_FROM)
    buffer = io.BytesIO()
    np.savez(
        buffer,
        s2_time=fine.timestamp.values.astype("datetime64[s]").astype(np.int64),
        s2_10m=fold(np.stack([fine[band].values for band in BANDS_10M]).astype(np.int32)),
        s2_20m=fold(np.stack([coarse[band].values for band in BANDS_20M]).astype(np.int32)),
        scl=coarse["SCL"].values,
        s1_time=radar.timestamp.values.astype("datetime64[s]").astype(np.int64),
        s1_20m=fold(np.stack([radar[name].values for name in POLARISATIONS]).astype(np.int32)),
    )
    packed = lzma.compress(buffer.getvalue(), preset=9 | lzma.PRESET_EXTREME)
    contents = read_contents(packed)
    for name, stack in contents.bands.items():
        np.testing.assert_array_equal(stack, (fine if name in BANDS_10M else coarse)[name].values)
    np.testing.assert_array_equal(contents.scl, coarse["SCL"].values)
    for name, decibel in contents.radar.items():
        np.testing.assert_array_equal(decibel, radar[name].values)
    return packed


def trace_fields(folder: Path) -> dict[str, Any]:
    labels = open_patch(folder, "OUTPUT_POLY-110_10m")
    check_grid(labels, 10)
    crop, cover = labels["CT"].values.astype(np.int32), labels["LC"].values
    grid = Affine(10, 0, LEFT, 0, -10, TOP)
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform
    geod = Geod(ellps="WGS84")
    traced = [
        (shape(geometry), int(code))
        for geometry, code in rasterio.features.shapes(crop, mask=crop > 0, connectivity=4, transform=grid)
    ]
    large = [(polygon, code) for polygon, code in traced if polygon.area >= SMALLEST_FIELD_M2]
    large.sort(key=lambda pair: -pair[0].area)
    features = []
    for number, (polygon, code) in enumerate(large, start=1):
        inside = rasterio.features.geometry_mask([polygon], crop.shape, grid, invert=True)
        (cover_code,) = np.unique(cover[inside])
        drawn = polygon.buffer(-0.1, join_style="mitre")  # so that rounding never puts an edge outside the scenes
        in_degrees = shapely.transform(drawn, lambda x, y: np.round(to_degrees(x, y), 7), interleaved=False)
        features.append(
            {
                "type": "Feature",
                "id": f"field-{number}",
                "properties": {
                    "name": f"field {number}, {CROPS[code]}",
                    "crop": CROPS[code],
                    "crop_code": code,
                    "land_cover_code": int(cover_code),
                    "area_ha": round(abs(geod.geometry_area_perimeter(in_degrees)[0]) / 10_000, 2),
                },
                "geometry": mapping(in_degrees),
            }
        )
    return {
        "type": "FeatureCollection",
        "name": "sample fields, season 2018",
        "source": "Traced from the 10 m label raster OUTPUT_POLY-110 of WorldCereal patch 00002806639B424A, whose "
        "source is 2018_BE_LPIS-Flanders_POLY_110: parcels as the raster shows them, not the official parcel borders; "
        "joined where two parcels of one crop touch, and cut at the edge of the patch. Names of the codes: legend of "
        "the WorldCereal reference data module.",
        "features": features,
    }


def one_feature_a_line(collection: dict[str, Any]) -> str:
    features = ",\n".join(json.dumps(feature, separators=(",", ":")) for feature in collection["features"])
    head = json.dumps({**collection, "features": []}, indent=0)
    return head.removesuffix("[]\n}") + f"[\n{features}\n]}}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with the netCDF files of the patch")
    folder = parser.parse_args().folder
    DATA.mkdir(exist_ok=True)
    packed = pack(folder)
    (DATA / PACKED_NAME).write_bytes(packed)
    fields = trace_fields(folder)
    (DATA / "fields.geojson").write_text(one_feature_a_line(fields), encoding="utf-8")
    print(f"{DATA / PACKED_NAME}: {len(packed):,} bytes; {len(fields['features'])} fields")


if __name__ == "__main__":
    main()
