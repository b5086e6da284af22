from __future__ import annotations

import nbclient
import nbformat
import pytest

MAKE = """
import numpy as np, xarray as xr
from terrascope_nb.maps.figures import plot_map
da = xr.DataArray(np.eye(4, dtype="f4"), dims=("y", "x"), coords={"y": [3.0, 2, 1, 0], "x": [0.0, 1, 2, 3]}, name="q")
"""
CELLS = {
    "plot_map(da)": 1,
    "figure = plot_map(da)": 1,
    "figure": 1,
    "figure = plot_map(da)\nfigure": 1,
    "plot_map(da);": 1,
    "plot_map(da); plot_map(da)": 2,
    "for _ in range(3): plot_map(da)": 3,
    "display(plot_map(da))": 1,
    "import matplotlib.pyplot as plt\nplot_map(da)": 1,
    "1 + 1": 0,
}


@pytest.mark.notebooks
def test_a_notebook_shows_each_figure_once(tmp_path):
    cells = [nbformat.v4.new_code_cell(source) for source in (MAKE, *CELLS)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    shown = {
        cell.source: sum("image/png" in output.get("data", {}) for output in cell.outputs)
        for cell in notebook.cells[1:]
    }
    assert shown == CELLS
