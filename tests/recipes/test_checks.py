"""The doctor finds what is broken, names the cure, changes nothing and never breaks itself."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from terrascope_nb.host.where import Where
from terrascope_nb.recipes import checks
from terrascope_nb.recipes.checks import doctor
from terrascope_nb.recipes.report import Check, Report
from terrascope_nb.sample.unpack import unpack_sample
from terrascope_nb.settings import options

NAMES = [
    "settings", "where", "archive", "proxy", "STAC", "Python", "packages", "user packages", "GDAL", "cache",
    "configuration", "this folder", "memory", "cores", "sample",
]  # fmt: skip


@pytest.fixture(autouse=True)
def a_quiet_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("GDAL_HTTP_USERPWD", "GDAL_HTTP_UNSAFESSL", "TERRASCOPE_NB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(checks, "why_unreachable", lambda *_, **__: "")
    monkeypatch.chdir(tmp_path)
    with options(cache_dir=tmp_path / "cache", config_dir=tmp_path / "config", archive_roots=[tmp_path / "none"]):
        yield


def test_everything_named_in_the_guide_is_looked_at_once() -> None:
    assert [check.name for check in doctor()] == NAMES


def test_a_sound_machine_has_no_problem() -> None:
    assert doctor().problems == ()


def test_looking_makes_no_folder(tmp_path: Path) -> None:
    doctor()
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_catalogue_is_a_problem_with_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "why_unreachable", lambda *_, **__: "no connection (refused)")
    found = doctor()["STAC"]
    assert found.status == "problem"
    assert "stac.terrascope.be cannot be reached: no connection (refused)" in found.what
    assert "HTTPS_PROXY" in found.cure
    assert "sample" in found.cure


def test_a_certificate_nobody_trusts_has_its_own_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "why_unreachable", lambda *_, **__: "its certificate is not accepted (self-signed)")
    assert "REQUESTS_CA_BUNDLE" in doctor()["STAC"].cure


def test_chosen_offline_is_a_warning_and_not_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "why_unreachable", lambda *_, **__: "the option offline is set")
    with options(offline=True):
        assert doctor()["STAC"].status == "warn"


def test_the_password_of_a_proxy_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://ann:secret@proxy.example.org:8080")
    report = doctor()
    assert "proxy.example.org:8080" in report["proxy"].what
    assert "secret" not in repr(report)


def test_a_proxy_for_http_alone_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example.org:8080")
    assert doctor()["proxy"].status == "warn"


def test_the_platform_without_its_archive_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Where("platform", (), ("user folders are here", "archive root /data/MTDA cannot be used: it is empty"))
    monkeypatch.setattr(checks, "where_am_i", lambda: here)
    found = doctor()["archive"]
    assert found.status == "problem"
    assert "/data/MTDA" in found.what


def test_missing_and_old_packages_give_the_line_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["numpy>=1", "rasterio>=99", "not-there>=2", "extra-only>=1; extra == 'lab'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: wanted)
    found = doctor()["packages"]
    assert found.status == "problem"
    assert found.cure == "python -m pip install 'rasterio>=99' 'not-there>=2'"


def distribution(site: Path, name: str, version: str) -> None:
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_a_package_of_ones_own_that_hides_the_environments_is_found(tmp_path: Path) -> None:
    user, env = tmp_path / "user", tmp_path / "env"
    distribution(user, "xarray", "2022.1")
    distribution(env, "xarray", "2025.4")
    distribution(user, "tabulate", "1.0")
    found = checks._check_shadowing(["xarray", "tabulate"], [str(user), str(env)], str(user))
    assert found.status == "problem"
    assert "xarray 2022.1 hides 2025.4" in found.what
    assert "pip uninstall xarray" in found.cure
    assert "tabulate" not in found.what


def test_the_environment_before_ones_own_folder_is_no_shadow(tmp_path: Path) -> None:
    user, env = tmp_path / "user", tmp_path / "env"
    distribution(user, "xarray", "2022.1")
    distribution(env, "xarray", "2025.4")
    assert checks._check_shadowing(["xarray"], [str(env), str(user)], str(user)).status == "ok"


@pytest.mark.parametrize("variable", ["PROJ_LIB", "PROJ_DATA"])
def test_a_variable_that_hides_the_coordinate_systems_is_named(tmp_path: Path, variable: str) -> None:
    code = "from terrascope_nb.recipes.checks import doctor; c = doctor()['GDAL']; print(c.status, c.cure, sep=': ')"
    env = {**os.environ, variable: str(tmp_path), "TERRASCOPE_NB_OFFLINE": "1"}
    ran = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == f"problem: Unset {variable} and restart."


@pytest.mark.parametrize(("name", "value"), [("GDAL_HTTP_USERPWD", "ann:secret"), ("GDAL_HTTP_UNSAFESSL", "YES")])
def test_unsafe_gdal_variables_are_said_without_their_content(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    report = doctor()
    assert report["GDAL"].status == "warn"
    assert name in report["GDAL"].cure
    assert "secret" not in repr(report)


def test_a_cache_folder_that_cannot_be_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with options(cache_dir=tmp_path / "file" / "cache"):
        found = doctor()["cache"]
    assert found.status == "problem"
    assert "TERRASCOPE_NB_CACHE_DIR" in found.cure


def test_a_full_or_read_only_folder_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(checks.tempfile, "TemporaryFile", refuse)
    assert "Read-only file system" in doctor()["this folder"].what


def test_little_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "available_memory", lambda: 300_000_000)
    found = doctor()["memory"]
    assert (found.status, found.what) == ("warn", "0.3 GB are ours to take")


def test_a_misspelt_variable_is_not_silently_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRASCOPE_NB_CACHEDIR", "/elsewhere")
    assert "TERRASCOPE_NB_CACHE_DIR" in doctor()["settings"].cure


def test_a_broken_configuration_file_is_a_line_of_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.toml").write_text("timeout = = 3")
    monkeypatch.setenv("TERRASCOPE_NB_CONFIG_DIR", str(tmp_path / "config"))
    found = doctor()["settings"]
    assert found.status == "problem"
    assert "config.toml" in found.cure


def test_the_sample_is_found_when_it_is_whole_and_not_when_it_is_damaged() -> None:
    assert "not unpacked" in doctor()["sample"].what
    root = unpack_sample()
    assert str(root) in doctor()["sample"].what
    (root / "fields.geojson").unlink()
    assert "not unpacked" in doctor()["sample"].what


@pytest.mark.parametrize("name", ["where_am_i", "find_sample", "available_memory", "get_settings"])
def test_a_check_that_breaks_is_a_warning_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def explode(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(checks, name, explode)
    report = doctor()
    assert "boom" in repr(report)
    assert report["Python"].status in {"ok", "warn"}


def test_a_mount_that_hangs_does_not_hold_up_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hang() -> Where:
        over.wait(10)
        return Where("laptop", (), ("late",))

    monkeypatch.setattr(checks, "where_am_i", hang)
    begin = time.monotonic()
    report = doctor()
    over.set()
    assert time.monotonic() - begin < 3
    assert report["where"].what == "no answer in time"
    assert len(report) == len(NAMES) - 1


def test_the_report_is_plain_json_and_safe_html() -> None:
    report = Report((Check("cache", "problem", "<script>", "do & go"), Check("cores", "ok", "2")), 0.4)
    assert json.loads(json.dumps(report.to_dict()))["checks"][0]["cure"] == "do & go"
    assert "<script>" not in report._repr_html_()
    assert "&lt;script&gt;" in report._repr_html_()
    assert "1 problem, no warnings" in repr(report)
    with pytest.raises(KeyError, match="cache, cores"):
        report["colour"]


@pytest.mark.parametrize(("status", "cure"), [("problem", ""), ("warn", ""), ("ok", "do something")])
def test_a_finding_without_a_cure_cannot_be_written(status: Any, cure: str) -> None:
    with pytest.raises(ValueError, match="cure"):
        Check("name", status, "what", cure)


def test_the_report_shows_no_password_of_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "me:s3cret@proxy:3128")
    with options(stac_url="http://user:s3cret@127.0.0.1:9/stac?token=s3cret"):
        for why in ("", "no connection to http://user:s3cret@127.0.0.1:9"):
            monkeypatch.setattr(checks, "why_unreachable", lambda *_, why=why, **__: why)
            report = doctor()
            assert "127.0.0.1:9" in str(report)
            assert "s3cret" not in str(report) + json.dumps(report.to_dict()) + report._repr_html_()
