from __future__ import annotations

import matplotlib.dates
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from terrascope_nb.errors import CubeError
from terrascope_nb.maps.series_figure import plot_series

DAYS = pd.to_datetime(["2018-06-28 10:50", "2018-07-03 10:50", "2018-07-05 10:50", "2018-08-04 10:50"])
MEANS = [0.3, np.nan, 0.5, 0.7]
VALID = [100.0, 0.0, 40.0, 90.0]


def table_of(features=("a",), variables=("NDVI",)):
    rows = [
        {
            "feature": f,
            "time": day,
            "variable": v,
            "mean": mean + 0.01 * n,
            "std": 0.05,
            "count": int(valid),
            "valid_percent": valid,
        }
        for n, f in enumerate(features)
        for day, mean, valid in zip(DAYS, MEANS, VALID, strict=True)
        for v in variables
    ]
    table = pd.DataFrame(rows)
    table.attrs = {
        "units": {"NDVI": "1", "LAI": "m2 m-2"},
        "long_name": {"NDVI": "Vegetation index", "LAI": "Leaf area"},
        "attribution": "Contains modified Copernicus Sentinel data 2016-2020",
    }
    return table


def curves(axes):
    return [line for line in axes.get_lines() if line.get_gid() == "feature"]


def test_points_stand_at_their_true_dates_and_gaps_are_no_zeros():
    axes = plot_series(table_of()).axes[0]
    (line,) = curves(axes)
    assert matplotlib.dates.num2date(line.get_xdata(orig=False)[1]).strftime("%Y-%m-%d") == "2018-07-05"
    np.testing.assert_array_equal(line.get_ydata(), [0.3, 0.5, 0.7])
    x = line.get_xdata(orig=False)
    assert (x[2] - x[1]) / (x[1] - x[0]) == pytest.approx(30 / 7)  # as text the official sample made them equal


def test_a_figure_names_variable_unit_and_source():
    figure = plot_series(table_of())
    assert figure.axes[0].get_ylabel() == "NDVI [-]"
    assert figure.axes[0].get_title(loc="left") == "Vegetation index"
    assert figure.get_suptitle() == "a"
    assert "Contains modified Copernicus Sentinel data 2018" in figure.get_supxlabel()
    assert "2016" not in figure.get_supxlabel()


def test_the_band_is_mean_and_standard_deviation():
    (band,) = plot_series(table_of()).axes[0].collections
    y = band.get_paths()[0].vertices[:, 1]
    assert (y.min(), y.max()) == pytest.approx((0.25, 0.75))
    assert not plot_series(table_of(features="abc")).axes[0].collections


def test_poorly_seen_points_are_hollow_and_the_figure_says_so():
    figure = plot_series(table_of())
    (hollow,) = (line for line in figure.axes[0].get_lines() if line.get_gid() == "partly")
    np.testing.assert_array_equal(hollow.get_ydata(), [0.5])
    assert hollow.get_markerfacecolor() == "white"
    assert "Hollow: less than 75 %" in figure.get_supxlabel()


def test_points_below_the_wanted_share_are_left_out_and_counted():
    figure = plot_series(table_of(), min_valid=50)
    np.testing.assert_array_equal(curves(figure.axes[0])[0].get_ydata(), [0.3, 0.7])
    assert "Left out for less than 50 % valid pixels: 1 points." in figure.get_supxlabel()
    assert "Hollow" not in figure.get_supxlabel()


def test_features_are_curves_with_a_legend():
    figure = plot_series(table_of(features=("maize", "meadow")))
    assert len(curves(figure.axes[0])) == 2
    assert len({line.get_color() for line in curves(figure.axes[0])}) == 2
    assert len({line.get_marker() for line in curves(figure.axes[0])}) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["maize", "meadow"]


def test_many_features_become_thin_curves_and_their_median():
    features = [f"f{n}" for n in range(21)]
    figure = plot_series(table_of(features=features))
    assert len(curves(figure.axes[0])) == 21
    (middle,) = (line for line in figure.axes[0].get_lines() if line.get_label() == "median of 21 features")
    np.testing.assert_allclose(middle.get_ydata(), [0.4, 0.6, 0.8])


def test_variables_of_different_units_never_share_an_axis():
    figure = plot_series(table_of(variables=("NDVI", "LAI")))
    assert [axes.get_ylabel() for axes in figure.axes] == ["NDVI [-]", "LAI [m² m⁻²]"]
    assert [axes.get_ylabel() for axes in plot_series(table_of(variables=("NDVI", "LAI")), variable="LAI").axes] == [
        "LAI [m² m⁻²]"
    ]


def test_another_statistic_can_be_drawn():
    table = table_of().assign(p90=lambda t: t["mean"] + 0.1)
    axes = plot_series(table, value="p90").axes[0]
    assert axes.get_ylabel() == "NDVI, p90 [-]"
    np.testing.assert_allclose(curves(axes)[0].get_ydata(), [0.4, 0.6, 0.8])
    assert not axes.collections


def test_a_table_back_from_csv_is_drawn_without_what_csv_loses(tmp_path):
    table_of(features=("7", "8")).to_csv(tmp_path / "series.csv", index=False)
    figure = plot_series(pd.read_csv(tmp_path / "series.csv"))
    assert figure.axes[0].get_ylabel() == "NDVI"
    assert len(curves(figure.axes[0])) == 2


def test_a_series_of_one_date_or_without_any_valid_value_is_drawn():
    one = plot_series(table_of().iloc[:1])
    assert curves(one.axes[0])[0].get_marker() != "None"
    empty = table_of().assign(mean=np.nan)
    empty.attrs = table_of().attrs
    plot_series(empty).draw_without_rendering()


def test_an_axes_of_ones_own_is_drawn_in():
    own = Figure()
    axes = own.add_subplot()
    assert plot_series(table_of(), ax=axes) is own
    with pytest.raises(CubeError, match="2 variables"):
        plot_series(table_of(variables=("NDVI", "LAI")), ax=axes)


@pytest.mark.parametrize(
    ("table", "how", "says"),
    [
        (table_of().drop(columns="feature"), {}, "needs a column 'feature'"),
        (table_of(), {"value": "p5"}, "needs a column 'p5'"),
        (table_of(), {"variable": "EVI"}, "no variable 'EVI'; it has NDVI"),
        (table_of().assign(time=pd.NaT), {}, "no dates"),
    ],
    ids=["column", "statistic", "variable", "dateless"],
)
def test_a_table_that_cannot_be_drawn_says_why(table, how, says):
    with pytest.raises(CubeError, match=says):
        plot_series(table, **how)


def test_a_cube_given_for_a_table_is_told_how_the_table_is_made(ndvi):
    with pytest.raises(CubeError, match=r"DataArray. Make the table with time_series"):
        plot_series(ndvi)
