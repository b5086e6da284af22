"""doctor(): what is broken here, and the cure."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import site
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path

from terrascope_nb import __version__
from terrascope_nb.errors import near_misses, redacted
from terrascope_nb.host.limits import available_memory, cores
from terrascope_nb.host.where import where_am_i, why_unreachable
from terrascope_nb.recipes.report import Check, Report
from terrascope_nb.sample.unpack import find_sample
from terrascope_nb.settings import Settings, get_settings

_DEADLINE = 2.7
"""Seconds for all checks together, which run side by side."""
_GB = 1e9


def doctor() -> Report:
    """Return what was found about this machine, each problem with its one-line cure.

    Looks at: settings, where we are and which archive roots are mounted, proxy and STAC API, Python and packages,
    packages in the user's own folder that hide those of the environment, GDAL and PROJ, write rights, memory and cores,
    the sample archive. It takes at most three seconds, changes nothing and never fails: a check that cannot be made says
    so in the report.

    Returns
    -------
    Report
        Shows itself as a table; iterates `Check`; ``to_dict()`` for programs; ``problems`` and ``warnings``.

    Examples
    --------
    >>> report = doctor()                                                              # doctest: +SKIP
    >>> [check.cure for check in report.problems]                                      # doctest: +SKIP
    []
    """
    begin = time.monotonic()
    checks = _run(_CHECKS, begin + _DEADLINE)
    return Report(tuple(checks), time.monotonic() - begin, f"terrascope_nb {__version__}")


def _run(todo: Sequence[tuple[str, Callable[[], Iterable[Check]]]], deadline: float) -> list[Check]:
    """Run all checks side by side; one that hangs (a dead mount, a name lookup) does not hold up the report."""
    answers: list[list[Check]] = [[] for _ in todo]

    def run(number: int, name: str, look: Callable[[], Iterable[Check]]) -> None:
        try:
            answers[number] = list(look())
        except Exception as error:  # noqa: BLE001 - the doctor reports whatever is broken and never breaks itself
            what = f"could not be checked: {type(error).__name__}: {redacted(str(error))}"
            answers[number] = [Check(name, "warn", what, "Mend what the message names, then run the doctor again.")]

    threads = [
        threading.Thread(target=run, args=(number, name, look), daemon=True) for number, (name, look) in enumerate(todo)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = "no answer in time"
    cure = "A mount or server that hangs is the usual reason; restart the notebook server, or ask its support."
    return [
        check
        for (name, _), found in zip(todo, answers, strict=True)
        for check in (found or [Check(name, "warn", late, cure)])
    ]


def _check_settings() -> Iterable[Check]:
    known = [field.name for field in fields(Settings)]
    try:
        settings = get_settings()
    except (ValueError, OSError) as error:  # an unreadable file, a word where a number belongs
        what = f"cannot be read: {error}"
        yield Check(
            "settings", "problem", what, "Mend config.toml or the TERRASCOPE_NB_ variable the message is about."
        )
        return
    prefix = "TERRASCOPE_NB_"
    unknown = [n for n in os.environ if n.startswith(prefix) and n.removeprefix(prefix).lower() not in known]
    if unknown:
        near = [prefix + n.upper() for name in unknown for n in near_misses(name.removeprefix(prefix), known, most=1)]
        hint = f"Did you mean {', '.join(near)}?" if near else f"There are: {', '.join(known)}."
        yield Check("settings", "warn", f"nobody reads the variable {', '.join(unknown)}", hint)
    else:
        yield Check("settings", "ok", f"configuration folder {settings.config()}, cache folder {settings.cache()}")


def _check_where() -> Iterable[Check]:
    found = where_am_i()
    yield Check("where", "ok", f"{found.kind}: {found.reasons[0]}")
    about_mounts = "; ".join(found.reasons[1:])
    if found.mounts:
        yield Check("archive", "ok", about_mounts)
    elif found.kind == "platform":
        cure = "Restart the notebook server; if the archive stays away, tell the platform's helpdesk."
        yield Check("archive", "problem", f"no archive root is mounted on the platform: {about_mounts}", cure)
    else:
        yield Check("archive", "ok", f"none is mounted, as usual outside the platform ({about_mounts})")


def _check_network() -> Iterable[Check]:
    proxies = {name: os.environ.get(name.lower()) or os.environ.get(name, "") for name in ("HTTPS_PROXY", "HTTP_PROXY")}
    named = ", ".join(f"{name}={_shown(value)}" for name, value in proxies.items() if value)
    if proxies["HTTP_PROXY"] and not proxies["HTTPS_PROXY"]:
        cure = "Set HTTPS_PROXY too (usually to the same address): all servers of Terrascope are asked over https."
        yield Check("proxy", "warn", f"{named}, but no HTTPS_PROXY", cure)
    else:
        yield Check("proxy", "ok", named or "none is set")
    settings = get_settings()
    server = redacted(settings.stac_url)
    why = redacted(why_unreachable(settings.stac_url, timeout=2.0))
    if not why:
        yield Check("STAC", "ok", f"{server} answers")
    elif settings.offline:
        cure = "ts.set_options(offline=False), or unset TERRASCOPE_NB_OFFLINE, when you want the live catalogue."
        yield Check("STAC", "warn", f"{server} is not asked: {why}", cure)
    else:
        cure = "Check the network"
        if "certificate" in why:
            cure = "Set REQUESTS_CA_BUNDLE to your organisation's certificate file"
        elif not named:
            cure += ", and set HTTPS_PROXY if you need a proxy"
        cure += "; until then search() uses mounted archives or the sample."
        yield Check("STAC", "problem", f"{server} cannot be reached: {why}", cure)


def _shown(address: str) -> str:
    """Return an address without its secrets; a proxy may be written without a scheme."""
    return redacted(address) if "://" in address else redacted(f"://{address}").removeprefix("://")


def _check_python() -> Iterable[Check]:
    version = platform.python_version()
    # lazy_loader's README: below these, two threads that load a lazy name at once can fail (CPython issue 114763)
    early = (3, 11) <= sys.version_info < (3, 11, 9) or (3, 12) <= sys.version_info < (3, 12, 3)
    if early:
        what = f"{version}: its import lock has a fault that can bite when threads load modules at once"
        yield Check("Python", "warn", what, "Update to Python 3.11.9, 3.12.3 or newer.")
    else:
        yield Check("Python", "ok", f"{version} at {sys.executable}")


def _check_packages() -> Iterable[Check]:
    from packaging.requirements import Requirement  # comes with xarray; only the doctor wants it

    try:
        required = [Requirement(text) for text in importlib.metadata.requires("terrascope-nb") or []]
    except importlib.metadata.PackageNotFoundError:
        cure = "python -m pip install terrascope-nb (or -e . in a clone)"
        yield Check("packages", "warn", "terrascope-nb is imported but not installed, so versions are unknown", cure)
        return
    shown, wrong = [], []
    for requirement in required:
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append((str(requirement), "missing"))
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append((str(requirement), version))
        if requirement.name in {"xarray", "dask", "rasterio", "pystac-client", "geopandas", "numpy"}:
            shown.append(f"{requirement.name} {version}")
    if wrong:
        what = "; ".join(f"{wanted} is needed, here: {here}" for wanted, here in wrong)
        cure = "python -m pip install " + " ".join(f"'{wanted}'" for wanted, _ in wrong)
        yield Check("packages", "problem", what, cure)
    else:
        yield Check("packages", "ok", ", ".join(shown))
    yield _check_shadowing([requirement.name for requirement in required], sys.path, site.getusersitepackages())


def _check_shadowing(names: Sequence[str], path: Sequence[str], user_site: str) -> Check:
    hidden = []
    for name in dict.fromkeys(["terrascope-nb", *names]):
        copies = {
            str(found.locate_file("")): found.version
            for found in importlib.metadata.distributions(name=name, path=list(path))
        }
        places = list(copies)
        if len(places) > 1 and Path(places[0]) == Path(user_site):
            hidden.append((name, copies[places[0]], copies[places[1]]))
    if not hidden:
        return Check("user packages", "ok", "none in your own folder hides a package of the environment")
    what = "; ".join(f"{name} {mine} hides {theirs}" for name, mine, theirs in hidden)
    cure = f"python -m pip uninstall {' '.join(name for name, *_ in hidden)} (removes your own copies), then restart."
    differs = any(mine != theirs for _, mine, theirs in hidden)
    return Check("user packages", "problem" if differs else "warn", f"in {user_site}: {what}", cure)


def _check_gdal() -> Iterable[Check]:
    set_by_hand = [name for name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH") if os.environ.get(name)]
    unset = f"Unset {', '.join(set_by_hand)} and restart." if set_by_hand else ""
    reinstall = "python -m pip install --force-reinstall rasterio pyproj"
    try:
        import pyproj  # here, so that a broken library becomes a line of the report
        import rasterio
        from rasterio.crs import CRS
        from rasterio.drivers import raster_driver_extensions
    except ImportError as error:
        yield Check("GDAL", "problem", f"cannot be loaded: {error}", unset or reinstall)
        return
    versions = f"GDAL {rasterio.__gdal_version__} (rasterio {rasterio.__version__}), PROJ {pyproj.proj_version_str}"
    try:
        CRS.from_epsg(32631).to_wkt()
        pyproj.CRS.from_epsg(31370)
    except Exception as error:  # noqa: BLE001 - whatever it is, coordinate systems do not work here
        yield Check("GDAL", "problem", f"{versions} cannot look up coordinate systems: {error}", unset or reinstall)
        return
    if not {"tif", "nc"} <= set(raster_driver_extensions()):
        what = f"{versions} cannot write GeoTIFF and read NetCDF: drivers are missing"
        yield Check("GDAL", "problem", what, unset or reinstall)
    elif os.environ.get("GDAL_HTTP_USERPWD"):
        cure = "Unset GDAL_HTTP_USERPWD; we need no password in the environment."
        yield Check("GDAL", "warn", f"{versions}; GDAL_HTTP_USERPWD shows a password to every program you start", cure)
    elif os.environ.get("GDAL_HTTP_UNSAFESSL", "").upper() in {"YES", "TRUE", "ON", "1"}:
        cure = "Unset GDAL_HTTP_UNSAFESSL; behind an inspecting proxy set CURL_CA_BUNDLE to its certificate."
        yield Check("GDAL", "warn", f"{versions}; GDAL_HTTP_UNSAFESSL lets anybody pose as the server", cure)
    else:
        yield Check("GDAL", "ok", versions)


def _check_folders() -> Iterable[Check]:
    settings = get_settings()
    for name, folder in (
        ("cache", settings.cache()),
        ("configuration", settings.config()),
        ("this folder", Path.cwd()),
    ):
        option = {"cache": "cache_dir", "configuration": "config_dir"}.get(name)
        elsewhere = (
            f"set TERRASCOPE_NB_{option.upper()} to a folder of yours" if option else "work in a folder of yours"
        )
        nearest = next(place for place in (folder, *folder.parents) if place.exists())
        problem = _why_unwritable(nearest, exists=nearest == folder)
        free = shutil.disk_usage(nearest).free
        if problem:
            cure = f"Get write rights for {nearest}, or {elsewhere}."
            yield Check(name, "problem", f"{folder} cannot be written: {problem}", cure)
        elif free < 1 * _GB:
            cure = f"Remove files you no longer need, or {elsewhere}."
            yield Check(name, "warn", f"{folder} can be written, but only {free / _GB:.1f} GB are free", cure)
        else:
            yield Check(name, "ok", f"{folder} can be written, {free / _GB:.0f} GB free")


def _why_unwritable(folder: Path, *, exists: bool) -> str:
    if not folder.is_dir():
        return f"{folder} is a file"
    if not exists:  # nothing is made here just to look
        return "" if os.access(folder, os.W_OK | os.X_OK) else f"no right to make a folder in {folder}"
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _check_limits() -> Iterable[Check]:
    free = available_memory()
    what = f"{free / _GB:.1f} GB are ours to take"
    if free < 1 * _GB:
        cure = "Shut down kernels you no longer need (Running tab), or ask for a larger server."
        yield Check("memory", "warn", what, cure)
    else:
        yield Check("memory", "ok", what)
    yield Check("cores", "ok", f"{cores()}")


def _check_sample() -> Iterable[Check]:
    root = find_sample()
    if root is None:
        yield Check("sample", "ok", "not unpacked yet; that takes two seconds and 11 MB when it is first used")
    else:
        yield Check("sample", "ok", f"unpacked in {root}")


_CHECKS: tuple[tuple[str, Callable[[], Iterable[Check]]], ...] = (
    ("settings", _check_settings),
    ("where", _check_where),
    ("network", _check_network),
    ("Python", _check_python),
    ("packages", _check_packages),
    ("GDAL", _check_gdal),
    ("folders", _check_folders),
    ("memory", _check_limits),
    ("sample", _check_sample),
)
