"""A time lapse: one frame per date with date stamp, scale bar, legend and sources; written as GIF or MP4."""

from __future__ import annotations

import dataclasses
import io
import itertools
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from terrascope_nb.errors import CubeError, ExportError, MissingExtraError
from terrascope_nb.maps.lettering import open_font
from terrascope_nb.maps.map_picture import around_of, map_of
from terrascope_nb.maps.sheet import MapSheet
from terrascope_nb.maps.sheet_figure import DPI, figure_of
from terrascope_nb.maps.sheet_files import describe_sheet

__all__ = ["frames_of", "stamps_of", "write_gif", "write_mp4"]

STAMP = 18
"""Height of the date stamp's font in pixels."""
_CORNER = (24, 56)
"""Where the date stamp stands: pixels from the left and from the top of the frame."""
_MOST_FRAMES = 1000
_SEEN = 6
"""Frames from which the colours of a GIF are chosen."""


def stamps_of(sheet: MapSheet) -> list[str]:
    """Return what is written on each frame: the day, with the time of day where two frames share a day. UTC."""
    if sheet.moving is None or not sheet.times:
        raise CubeError("a time lapse needs a layer with dates; none of the layers has any.")
    times = sheet.dates_of(sheet.moving)
    days = [str(np.datetime_as_string(time, unit="D")) for time in times]
    many = Counter(days)
    return [
        day if many[day] == 1 else f"{np.datetime_as_string(time, unit='s').replace('T', ' ')} UTC"
        for day, time in zip(days, times, strict=True)
    ]


def frames_of(sheet: MapSheet) -> Iterator[Image.Image]:
    """Give the frames of a time lapse, RGB, all of one even size.

    Parameters
    ----------
    sheet : MapSheet
        With ``moving`` and ``times``. Colours keep their meaning: the look of the layer holds for all frames.

    Raises
    ------
    CubeError
        No layer with dates, or more than 1000 frames.
    TerrascopeError
        A source could not be read.
    """
    stamps = stamps_of(sheet)
    if len(stamps) > _MOST_FRAMES:
        raise CubeError(
            f"a time lapse of {len(stamps)} frames was asked for; {_MOST_FRAMES} are the most. Choose dates."
        )
    assert sheet.moving is not None
    frame = _frame_of(sheet)
    paper = Image.new("RGBA", (frame.width + frame.width % 2, frame.height + frame.height % 2),
                      "#1b1d20" if sheet.dark else "#ffffff")  # fmt: skip
    corner, around = _map_corner(sheet), around_of(sheet)
    font = open_font(STAMP, bold=True)
    for time, stamp in zip(sheet.times, stamps, strict=True):
        layers = list(sheet.layers)
        layers[sheet.moving] = dataclasses.replace(layers[sheet.moving], time=time)
        image = paper.copy()
        image.paste(map_of(dataclasses.replace(sheet, layers=tuple(layers)), around=around), corner)
        image.alpha_composite(frame)
        draw = ImageDraw.Draw(image)
        left, top, right, bottom = draw.textbbox(_CORNER, stamp, font=font)
        draw.rectangle((left - 7, top - 6, right + 7, bottom + 6), fill="#ffffff")
        draw.text(_CORNER, stamp, font=font, fill="#111111")
        yield image.convert("RGB")


def _frame_of(sheet: MapSheet) -> Image.Image:
    buffer = io.BytesIO()
    figure_of(sheet, frame_only=True).savefig(buffer, format="png", dpi=DPI, transparent=False, facecolor="none")
    return Image.open(buffer).convert("RGBA")


def _map_corner(sheet: MapSheet) -> tuple[int, int]:
    figure = figure_of(sheet, frame_only=True)
    height = figure.get_figheight() * DPI
    box = figure.axes[0].get_position()
    return round(box.x0 * figure.get_figwidth() * DPI), round(height - box.y1 * height)


def write_gif(sheet: MapSheet, path: str | os.PathLike[str], *, fps: float = 2.0) -> int:
    """Write a time lapse as GIF that runs for ever; return the number of frames.

    Parameters
    ----------
    sheet : MapSheet
    path : path
    fps : float
        Frames per second, 0.1 to 50.
    """
    _check_fps(fps, 50)
    palette = _palette_of(sheet)
    frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames_of(sheet)]
    frames[0].save(
        path, format="GIF", save_all=True, append_images=frames[1:], duration=round(1000 / fps), loop=0, disposal=1,
        optimize=False, comment=describe_sheet(sheet).encode("utf-8")[:4000],
    )  # fmt: skip
    return len(frames)


def _palette_of(sheet: MapSheet) -> Image.Image:
    """Return the 256 colours of a time lapse, chosen from some of its frames: one value has one colour in all of them."""
    count = len(sheet.times)
    some = sorted({round(number) for number in np.linspace(0, count - 1, min(count, _SEEN))})
    seen = dataclasses.replace(sheet, times=tuple(sheet.times[number] for number in some))
    thin = [frame.resize((frame.width // 2, frame.height // 2), Image.Resampling.NEAREST) for frame in frames_of(seen)]
    together = Image.fromarray(np.vstack([np.asarray(frame) for frame in thin]), "RGB")
    return together.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def write_mp4(sheet: MapSheet, path: str | os.PathLike[str], *, fps: float = 2.0) -> int:
    """Write a time lapse as MP4 (H.264); return the number of frames.

    Parameters
    ----------
    sheet : MapSheet
    path : path
    fps : float
        Frames per second, 0.1 to 60.

    Raises
    ------
    MissingExtraError
        The part for video is not installed.
    ExportError
        The encoder failed.
    """
    _check_fps(fps, 60)
    try:
        import imageio_ffmpeg  # an optional part: it carries an encoder of 30 MB
    except ImportError as error:
        raise MissingExtraError(
            "An MP4 was asked for; the encoder is not installed. "
            "Run: pip install 'terrascope-nb[video]', or write a .gif, which needs nothing more."
        ) from error
    frames = frames_of(sheet)
    first = next(frames)
    count = 0
    writer = imageio_ffmpeg.write_frames(
        str(Path(path)), first.size, fps=fps, codec="libx264", pix_fmt_in="rgb24", pix_fmt_out="yuv420p", quality=8,
        macro_block_size=2, ffmpeg_log_level="error", output_params=["-movflags", "+faststart"],
    )  # fmt: skip
    try:
        writer.send(None)
        for frame in itertools.chain((first,), frames):
            writer.send(frame.tobytes())
            count += 1
        writer.close()
    except OSError as error:
        raise ExportError(f"{Path(path).name} could not be written: the encoder says {error}.", path=path) from error
    return count


def _check_fps(fps: float, most: float) -> None:
    if not 0.1 <= fps <= most:
        raise CubeError(f"fps={fps!r} was asked for; between 0.1 and {most} frames a second can be written.")
