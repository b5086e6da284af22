"""The door in a terminal: ``terrascope-nb products | search | index | export | doctor | sample``."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from terrascope_nb import __version__
from terrascope_nb.errors import (
    AreaError,
    FilterError,
    MaskError,
    PeriodError,
    TerrascopeError,
    TerrascopeWarning,
    UnknownBandError,
    UnknownProductError,
)

# Every subcommand imports what it needs itself, so that --help and --version answer at once.
if TYPE_CHECKING:
    from terrascope_nb.catalogue.items import Items
    from terrascope_nb.products.model import Product

FAILED, WRONG_USE, INTERRUPTED, PIPE_CLOSED = 1, 2, 130, 141
_ASKED_WRONGLY = (UnknownProductError, UnknownBandError, AreaError, PeriodError, FilterError, MaskError)
_FORMAT_OF_ENDING = {".json": "json", ".geojson": "geojson", ".csv": "csv", ".parquet": "parquet"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; those of the process when None.

    Returns
    -------
    int
        0 done; 1 it failed (or the doctor found a problem); 2 it was asked wrongly; 130 interrupted. Results go to
        stdout, messages to stderr.
    """
    parser = _parser()
    try:
        arguments = parser.parse_args(_glue_negative_bbox(sys.argv[1:] if argv is None else argv))
    except SystemExit as stop:  # --help, --version, or a usage error argparse has already told
        return stop.code if isinstance(stop.code, int) else WRONG_USE
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        with _warnings_on_stderr():
            code = run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return INTERRUPTED
    except (TerrascopeError, OSError) as error:
        if arguments.debug:
            raise
        message = str(error).replace("overwrite=True", "--overwrite")  # as it is said here, not in Python
        print(f"terrascope-nb: {message}", file=sys.stderr)
        return WRONG_USE if isinstance(error, _ASKED_WRONGLY) else FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="terrascope-nb", description="Terrascope in a terminal: find, load and keep satellite data."
    )
    parser.add_argument("--version", action="version", version=f"terrascope-nb {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
        command.set_defaults(run=run)
        return command

    products = add("products", _products, "List the products, or describe one.")
    products.add_argument("name", nargs="?", help="our id, a STAC id, a URN or an old product type")

    search = add("search", _search, "Find scenes of a product.")
    _add_search_arguments(search)
    formats = ("table", "json", "geojson", "csv")
    search.add_argument("--format", choices=formats, help="json: a STAC ItemCollection; geojson: footprints")
    search.add_argument("--out", type=Path, metavar="FILE", help="write .json, .geojson, .csv or .parquet")

    index = add("index", _index, "Index an archive folder, so that it can be searched with no server.")
    index.add_argument("root", type=Path, help="a folder in Terrascope's layout")
    index.add_argument("--quality", action="store_true", help="also read cloud, valid pixels and footprint (slower)")
    index.add_argument("--out", type=Path, metavar="FOLDER", help="where to put the index; the cache by default")

    export = add("export", _export, "Load scenes and write them as NetCDF, COG or Zarr.")
    _add_search_arguments(export)
    export.add_argument("--bands", nargs="+", metavar="BAND", help="band names; the product's usual ones by default")
    export.add_argument("--mask", help="what to keep: a preset such as clear, or classes separated by commas")
    export.add_argument("--resolution", type=float, metavar="M", help="pixel size in the unit of the crs")
    export.add_argument("--crs", help="coordinate system, such as EPSG:3812; that of the files by default")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .nc, .tif or .zarr to write")
    export.add_argument("--overwrite", action="store_true", help="replace an existing file")

    doctor = add("doctor", _doctor, "Say what is broken on this machine, and the cure.")
    doctor.add_argument("--json", action="store_true", help="for programs")

    sample = add("sample", _sample, "Unpack and index the sample archive, and print its folder.")
    sample.add_argument("--folder", type=Path, help="a new or empty folder; the cache by default")
    return parser


def _add_search_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("product", help="our id (s2-ndvi), a STAC id, a URN or an old product type")
    command.add_argument("--area", help="west,south,east,north; a file; a place; a tile; WKT; GeoJSON")
    command.add_argument("--period", help="2018, 2018-05, 2018-05-01/2018-06-15, 'last 30 days' …")
    command.add_argument("--max-cloud", type=float, metavar="PERCENT", help="leave out cloudier scenes")
    command.add_argument("--tile", help="Sentinel-2 tile, such as 31UFS")
    command.add_argument("--version", choices=("latest", "all", "consistent"), default="latest", help="of twins, keep")
    command.add_argument("--source", help="a STAC address, a folder, a file, or sample")
    command.add_argument("--limit", type=_positive, metavar="N", help="at most so many scenes")


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _glue_negative_bbox(argv: Sequence[str]) -> list[str]:
    """Make ``--area -5,48,2,51`` one word, since argparse takes a leading minus for an option."""
    glued: list[str] = []
    for word in argv:
        if glued and glued[-1] == "--area" and re.match(r"-[\d.]", word):
            glued[-1] = f"--area={word}"
        else:
            glued.append(word)
    return glued


@contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    """Show what we chose for the user as one line each; warnings of other libraries mean nothing to them here."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        del category, filename, lineno, file, line  # the message is written for people, the rest is not
        print(f"note: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", TerrascopeWarning)
        warnings.showwarning = show
        yield


def _products(arguments: argparse.Namespace) -> int:
    from terrascope_nb.products.registry import get_product, list_products

    print(_describe(get_product(arguments.name)) if arguments.name else list_products())
    return 0


def _describe(product: Product) -> str:
    lines = [f"{product.id}: {product.title['en']}", product.description["en"], ""]
    rows: list[tuple[str, ...]] = [("band", "common name", "pixel", "stored", "scale", "offset", "nodata", "unit")]
    for band in product.bands:
        sizes = " ".join(f"{size:g}" for size in band.resolutions)
        numbers = ("?" if value is None else f"{value:g}" for value in (band.scale, band.offset))
        nodata = "none" if band.nodata is None else f"{band.nodata:g}"
        rows.append((band.name, band.common_name or "", sizes, band.dtype or "?", *numbers, nodata, band.unit or "?"))
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines += ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines += ["", "collections:", *(f"  {variant.collection}" for variant in product.variants)]
    if product.quality:
        lines += ["", "masks:", *(f"  {name}: {', '.join(kept)}" for name, kept in product.quality.presets.items())]
    notes = [f"{name}: {why}" for name, why in product.missing_bands.items()]
    notes += [text for text in (product.gaps, product.not_loadable, product.licence) if text]
    return "\n".join([*lines, *(["", *notes] if notes else [])])


def _find(arguments: argparse.Namespace) -> Items:
    from terrascope_nb.catalogue.query import search

    return search(
        arguments.product,
        arguments.area,
        arguments.period,
        max_cloud=arguments.max_cloud,
        tile=arguments.tile,
        version=arguments.version,
        max_items=arguments.limit,
        source=arguments.source,
    )


def _search(arguments: argparse.Namespace) -> int:
    out: Path | None = arguments.out
    kind = arguments.format or (_FORMAT_OF_ENDING.get(out.suffix.lower()) if out else "table")
    if kind is None:
        print(f"terrascope-nb: how to write {out} is not clear from its ending; say --format.", file=sys.stderr)
        return WRONG_USE
    items = _find(arguments)
    if out is None:
        print(_items_text(items, kind))
    elif kind == "parquet" or (kind == "json" and out.suffix.lower() in {".json", ".geojson"}):
        print(f"{len(items)} items in {items.save(out)}", file=sys.stderr)
    else:
        part = out.with_name(f".{out.name}.part")
        try:
            part.write_text(_items_text(items, kind) + "\n", encoding="utf-8")
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
        print(f"{len(items)} items in {out}", file=sys.stderr)
    return 0


def _items_text(items: Items, kind: str) -> str:
    if kind == "table":
        return repr(items)
    if kind == "csv":
        table: str = items.to_dataframe().to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
        return table.rstrip("\n")
    document = items.to_geojson() if kind == "geojson" else items.to_item_collection().to_dict()
    return json.dumps(document, ensure_ascii=False)


def _index(arguments: argparse.Namespace) -> int:
    from terrascope_nb.catalogue.archive import index_archive

    on_terminal = sys.stderr.isatty()

    def tell(items: int, files: int) -> None:
        print(f"\r{items} items, {files} files", end="", file=sys.stderr, flush=True)

    try:
        index = index_archive(
            arguments.root, out=arguments.out, quality=arguments.quality, progress=tell if on_terminal else None
        )
    finally:
        if on_terminal:
            print(file=sys.stderr)
    print(f"{len(index)} items of {index.root}, {len(index.problems)} files left out", file=sys.stderr)
    print(index.path)
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from terrascope_nb.cube.files import export
    from terrascope_nb.cube.loader import load
    from terrascope_nb.extent.aoi import area

    if arguments.area is not None:
        arguments.area = area(arguments.area)  # read once, for the search and for the cube
    items = _find(arguments)
    bands = [name for word in arguments.bands for name in word.split(",") if name] if arguments.bands else None
    mask: Any = arguments.mask.split(",") if arguments.mask and "," in arguments.mask else arguments.mask
    cube = load(items, bands, area=arguments.area, mask=mask, resolution=arguments.resolution, crs=arguments.crs)
    for path in export(cube, arguments.out, overwrite=arguments.overwrite):
        print(path)
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from terrascope_nb.recipes.checks import doctor

    report = doctor()
    print(json.dumps(report.to_dict(), indent=1) if arguments.json else report)
    return FAILED if report.problems else 0


def _sample(arguments: argparse.Namespace) -> int:
    if arguments.folder is None:
        from terrascope_nb.catalogue.offline import sample_archive

        print(sample_archive())
    else:
        from terrascope_nb.catalogue.archive import index_archive
        from terrascope_nb.sample.unpack import unpack_sample

        root = unpack_sample(arguments.folder)
        index_archive(root, quality=True)
        print(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
