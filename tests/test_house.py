"""The face of the package: light, whole, and the same in the wheel."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import terrascope_nb

ROOT = Path(__file__).parents[1]
STUB = ROOT / "terrascope_nb" / "__init__.pyi"
HEAVY = (
    "numpy",
    "pandas",
    "xarray",
    "dask",
    "rasterio",
    "geopandas",
    "shapely",
    "pyproj",
    "pystac",
    "matplotlib",
    "requests",
)


def stub_names() -> list[str]:
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    return sorted(
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    )


@pytest.mark.parametrize("name", stub_names())
def test_every_public_name_resolves_and_is_documented(name):
    found = getattr(terrascope_nb, name)
    assert (found.__doc__ or "").strip()


def test_dir_lists_exactly_the_public_names():
    assert sorted(terrascope_nb.__all__) == stub_names()


def test_no_public_function_is_named_like_a_module_of_its_room():
    # With lazy names such a function could be the function at first use and the module at the second.
    for node in ast.parse(STUB.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            folder = ROOT / "terrascope_nb"
            rooms = {path.stem for path in folder.iterdir()} - {"__init__"}
            assert not {alias.name for alias in node.names} & rooms


def test_importing_the_package_loads_no_heavy_library_and_touches_nothing():
    code = (
        "import os, sys; before = dict(os.environ); import terrascope_nb; assert dict(os.environ) == before;"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_search_loads_no_array_or_plotting_library():
    code = (
        "import sys; from terrascope_nb.catalogue import query, items; from terrascope_nb.extent import aoi;"
        "print([name for name in ('xarray', 'dask', 'matplotlib', 'rioxarray', 'odc') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_wheel_holds_the_stub_the_tables_and_the_data(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True, text=True,
        env={**os.environ, "TERRASCOPE_NB_SKIP_LABEXTENSION": "1"},  # what is built already is taken as it is
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 5_000_000
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        packed.extractall(tmp_path / "there")
    for wanted in ("__init__.pyi", "py.typed", "products/tables/s2-toc.toml", "extent/data/belgium_2020.json.xz"):
        assert f"terrascope_nb/{wanted}" in names
    assert not [name for name in names if name.startswith(("tests/", "notebooks/", "labextension/"))]
    if (ROOT / "terrascope_nb" / "labextension" / "package.json").is_file():  # no npm, no extension
        shared = f"{wheel.name.removesuffix('-py3-none-any.whl')}.data/data/share/jupyter/labextensions/terrascope-nb"
        assert {f"{shared}/package.json", f"{shared}/install.json"} <= set(names)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import terrascope_nb as ts;"
        "assert ts.__file__.startswith(sys.argv[1]); print(ts.get_product('s2-ndvi').id, ts.area('Assenede').name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "there")], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.split()[0] == "s2-ndvi"


def test_the_data_in_the_repository_stay_small():
    folders = [
        ROOT / "tests" / "data",
        ROOT / "terrascope_nb" / "sample" / "data",
        ROOT / "terrascope_nb" / "extent" / "data",
    ]
    total = sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())
    assert total < 8_000_000


def test_every_folder_of_test_data_says_where_it_came_from():
    for folder in (ROOT / "tests" / "data").iterdir():
        if folder.is_dir() and any(folder.rglob("*.*")):
            assert (folder / "README.md").is_file(), f"{folder.name} has no README.md with source and licence"
