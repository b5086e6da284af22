"""A map in a notebook that runs with no browser at all."""

from __future__ import annotations

import base64
import io

import nbformat
import pytest
from PIL import Image

CELL = """import numpy as np, xarray as xr, terrascope_nb as ts
import rioxarray
y, x = np.mgrid[0:200, 0:300]
data = xr.DataArray((x + y).astype("float32"), dims=("y", "x"), name="ramp",
                    coords={"x": 500_000 + 10.0 * np.arange(300), "y": 5_650_000 - 10.0 * np.arange(200)})
m = ts.Map()
layer = m.add(data.rio.write_crs("EPSG:32631"), cmap="magma")
m"""


@pytest.mark.notebooks
def test_papermill_leaves_a_picture_a_text_and_overlays_that_any_ipyleaflet_shows(tmp_path):
    papermill = pytest.importorskip("papermill")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "in.ipynb")
    papermill.execute_notebook(str(tmp_path / "in.ipynb"), str(tmp_path / "out.ipynb"), progress_bar=False)
    done = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    (output,) = [one for one in done.cells[0].outputs if one.output_type == "execute_result"]
    picture = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
    assert len(picture.convert("RGB").getcolors(1_000_000)) > 100
    assert "ramp" in output.data["text/plain"]
    state = done.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    shown = state[output.data["application/vnd.jupyter.widget-view+json"]["model_id"]]["state"]["layers"]
    layers = [state[name.removeprefix("IPY_MODEL_")] for name in shown]
    assert {layer["model_module"] for layer in layers} == {"jupyter-leaflet"}
    assert all(layer["state"]["url"].startswith("data:image/png") for layer in layers)
    assert "tile.openstreetmap.org" not in str([layer["state"] for layer in layers])
