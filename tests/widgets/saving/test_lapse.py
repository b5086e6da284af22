"""A time lapse: a frame and a legible stamp per date, in order, with what a map must carry."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import date, timedelta

import matplotlib as mpl
import numpy as np
import pytest
from map_to_save import TIMES
from PIL import Image, ImageDraw

import terrascope_nb as ts
from terrascope_nb.errors import CubeError, ExportError, MissingExtraError
from terrascope_nb.maps.basemap import window_of
from terrascope_nb.maps.frames import STAMP, frames_of
from terrascope_nb.maps.lettering import open_font
from terrascope_nb.maps.sheet_figure import DPI, figure_of
from terrascope_nb.maps.sheet_files import describe_sheet
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.live_map.sources import tile_source
from terrascope_nb.widgets.saving.lapse import moving_sheet, timelapse
from terrascope_nb.widgets.saving.map_files import save_map
from terrascope_nb.widgets.saving.map_sheet import sheet_of, size_for, widened


def read_stamp(frame: Image.Image, candidates: list[str]) -> str:
    """Return the text that fits best, among many, to what stands dark on white where the stamp is."""
    found = np.asarray(frame.convert("L")).astype(float)[46:90, 14:320]
    scores = {}
    for text in candidates:
        drawn = Image.new("L", (306, 44), 255)
        ImageDraw.Draw(drawn).text((24 - 14, 56 - 46), text, font=open_font(STAMP, bold=True), fill=17)
        box = ImageDraw.Draw(drawn).textbbox((10, 10), text, font=open_font(STAMP, bold=True))
        part = np.s_[box[1] : box[3], box[0] : box[2]]
        scores[text] = np.abs(np.asarray(drawn)[part] - found[part]).mean()
    best = min(scores, key=scores.get)
    assert scores[best] < 25
    assert box[3] - box[1] >= 12  # tall enough to be read
    return best


CANDIDATES = [(date(2018, 6, 20) + timedelta(days=number)).isoformat() for number in range(30)]


def test_a_gif_has_a_frame_and_a_legible_stamp_per_date(cube, tmp_path):
    path = timelapse(cube, tmp_path / "lapse.gif", fps=4, vmin=0.0, vmax=1.0, cmap="viridis")
    with Image.open(path) as gif:
        assert gif.n_frames == 3
        assert gif.info["loop"] == 0
        for number in range(3):
            gif.seek(number)
            assert gif.info["duration"] == 250
            assert read_stamp(gif.convert("RGB"), CANDIDATES) == str(TIMES[number])[:10]


def test_the_frames_show_the_values_of_their_date(cube, tmp_path):
    path = timelapse(cube, tmp_path / "lapse.gif", vmin=0.0, vmax=1.0, cmap="viridis")
    shown = Map()
    shown.add(cube, vmin=0.0, vmax=1.0, cmap="viridis")
    frames = []
    with Image.open(path) as gif:
        for number in range(3):
            gif.seek(number)
            frames.append(np.asarray(gif.convert("RGB")).astype(int))
    # The middle of the map is the middle of the cube; the pixels there have the colours of each date's own value.
    colours = {tuple(frame[46 + 250, 14 + 450]) for frame in frames}
    assert len(colours) == 3

    source = tile_source(cube)
    bounds = widened(source.bounds)
    size = size_for(bounds, None)
    window = window_of(bounds, size)
    agree = total = 0
    for column, row in np.random.default_rng(2).integers((100, 60), (size[0] - 100, size[1] - 60), (60, 2)):
        x, y = (window.left + column + 0.5) / window.scale, (window.top + row + 0.5) / window.scale
        lon, lat = (x - 0.5) * 360, np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * y))))
        for number, frame in enumerate(frames):
            value = source.value_at(lon, lat, time=number).value
            if value is None:
                continue
            expected = np.array(mpl.colormaps["viridis"](value, bytes=True)[:3], dtype=int)
            agree += np.abs(frame[46 + row, 14 + column] - expected).max() <= 12  # a GIF has 256 colours
            total += 1
    assert total > 60
    assert agree / total > 0.9


def test_an_mp4_has_a_frame_and_a_legible_stamp_per_date(cube, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    m = Map()
    m.add(cube, vmin=0.0, vmax=1.0)
    (path,) = m.save(tmp_path / "lapse.mp4", fps=2)
    sheet = sheet_of(m)
    width, height = (round(side * DPI) for side in figure_of(sheet).get_size_inches())
    size = (width + width % 2, height + height % 2)
    # The decoder itself tells, not the library that wrote.
    read = [ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    frames = np.frombuffer(subprocess.run(read, capture_output=True, check=True).stdout, dtype="uint8")
    frames = frames.reshape(-1, size[1], size[0], 3)
    assert len(frames) == 3
    for time, frame in zip(TIMES, frames, strict=True):
        assert read_stamp(Image.fromarray(frame), CANDIDATES) == str(time)[:10]
    told = subprocess.run(
        [ffmpeg.get_ffmpeg_exe(), "-i", str(path)], capture_output=True, text=True, check=False
    ).stderr
    assert "h264" in told
    assert "2 fps" in told


def test_the_frames_carry_scale_bar_legend_outline_and_sources(cube, tmp_path):

    m = Map()
    m.add(cube, vmin=0.0, vmax=1.0)
    west, south, east, north = m.rasters[0].source.bounds
    sheet = moving_sheet(sheet_of(m, area=(west, south, east, north)), 0)
    texts = [text.get_text() for text in figure_of(sheet, frame_only=True).findobj(mpl.text.Text)]
    assert any(text.endswith(" m") for text in texts)
    assert any(text.startswith("NDVI") for text in texts)
    assert any("Sentinel data 2018" in text for text in texts)
    assert "3 dates from 2018-06-30 10:50 UTC to 2018-07-15 10:50 UTC" in describe_sheet(sheet)
    first, second, third = frames_of(sheet)
    frame = np.asarray(figure_picture(sheet))
    opaque = frame[..., 3] == 255
    assert opaque.sum() > 2000
    for image in (first, second, third):  # what the frame has lies above the data of every date
        assert (
            np.asarray(image)[: frame.shape[0], : frame.shape[1]][opaque][100:] == frame[opaque][100:, :3]
        ).mean() > 0.95


def figure_picture(sheet) -> Image.Image:
    buffer = io.BytesIO()
    figure_of(sheet, frame_only=True).savefig(buffer, format="png", dpi=DPI, facecolor="none")
    return Image.open(buffer).convert("RGBA")


def test_two_passes_of_a_day_are_told_apart(cube, tmp_path):
    cube["time"] = np.array(
        ["2018-07-05T10:50:00", "2018-07-05T10:58:00", "2018-07-06T10:50:00"], dtype="datetime64[ns]"
    )
    with Image.open(timelapse(cube, tmp_path / "lapse.gif", vmin=0.0, vmax=1.0)) as gif:
        assert gif.n_frames == 3
        wanted = ["2018-07-05 10:50:00 UTC", "2018-07-05 10:58:00 UTC", "2018-07-06"]
        for number, text in enumerate(wanted):
            gif.seek(number)
            assert (
                read_stamp(gif.convert("RGB"), [*wanted[:2], "2018-07-05 10:53:00 UTC"] if number < 2 else CANDIDATES)
                == text
            )


def test_dates_that_were_loaded_out_of_order_run_in_order(cube, tmp_path):
    with Image.open(timelapse(cube.isel(time=[2, 0, 1]), tmp_path / "lapse.gif", vmin=0.0, vmax=1.0)) as gif:
        stamps = []
        for number in range(3):
            gif.seek(number)
            stamps.append(read_stamp(gif.convert("RGB"), CANDIDATES))
    assert stamps == sorted(stamps)


@pytest.mark.parametrize(
    ("times", "count"),
    [
        (None, 3),
        (ts.period("2018-07-01", "2018-07-31"), 2),
        ([0, -1], 2),
        ("2018-07-05", 1),
        (["2018-07-05", 0], 2),
        (1, 1),
    ],
    ids=["all", "period", "numbers", "day", "mixed", "one"],
)
def test_dates_are_chosen(cube, tmp_path, times, count):
    with Image.open(timelapse(cube, tmp_path / "lapse.gif", times=times, vmin=0.0, vmax=1.0, size=(300, 200))) as gif:
        assert getattr(gif, "n_frames", 1) == count


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"times": "2018-07-06"}, "no acquisition"),
        ({"times": [7]}, "has 3 dates"),
        ({"times": "garbage"}, "no date"),
        ({"times": 5.5}, "no date"),
        ({"times": [object()]}, "no date"),
        ({"times": ts.period("2019-01-01", "2019-02-01")}, "no date of"),
        ({"fps": 0}, "fps"),
        ({"fps": 1000}, "fps"),
        ({"size": (10, 10)}, "between 100 and 10000"),
    ],
)
def test_a_lapse_that_cannot_be_is_refused_and_leaves_nothing(cube, tmp_path, how, why):
    with pytest.raises(CubeError, match=why):
        timelapse(cube, tmp_path / "lapse.gif", **how)
    assert list(tmp_path.iterdir()) == []


def test_a_map_without_dates_has_no_lapse(shown, cube, tmp_path):
    with pytest.raises(CubeError, match="several dates"):
        save_map(shown, tmp_path / "lapse.gif")
    with pytest.raises(CubeError, match="no dates"):
        timelapse(cube.isel(time=0, drop=True), tmp_path / "lapse.gif")
    with pytest.raises(ExportError, match=r"\.gif or \.mp4"):
        timelapse(cube, tmp_path / "lapse.png")


def test_a_missing_encoder_is_said_with_the_line_that_installs_it(cube, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'terrascope-nb\[video\]'"):
        timelapse(cube, tmp_path / "lapse.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_lapse_of_an_area_shows_it_all(cube, tmp_path):
    west, south, east, north = Map().add(cube).source.bounds
    box = (west, south, (west + east) / 2, (south + north) / 2)
    path = timelapse(cube, tmp_path / "lapse.gif", area=box, times=[0], vmin=0.0, vmax=1.0)
    with Image.open(path) as gif:
        image = np.asarray(gif.convert("RGB")).astype(int)
    orange = (np.abs(image - (0xC2, 0x41, 0x0C)).max(axis=2) < 30).nonzero()
    assert np.ptp(orange[1]) > 600  # the outline runs through most of the picture
