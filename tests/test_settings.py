"""A setting that cannot be read says which variable or file states it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from terrascope_nb.catalogue.items_file import read_items
from terrascope_nb.catalogue.query import search
from terrascope_nb.errors import CatalogueReplyError, ExportError, SettingsError, TerrascopeWarning, UnknownProductError
from terrascope_nb.extent.aoi import area
from terrascope_nb.extent.saved import save_area
from terrascope_nb.settings import Settings, get_settings, options


def test_a_word_where_a_number_belongs_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRASCOPE_NB_TIMEOUT", "abc")
    with pytest.raises(SettingsError, match=r"TERRASCOPE_NB_TIMEOUT is 'abc'"):
        get_settings()


def test_an_unknown_line_of_the_file_gets_near_misses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRASCOPE_NB_CONFIG_DIR", str(tmp_path))
    (tmp_path / "config.toml").write_text("timeuot = 3")
    with pytest.warns(TerrascopeWarning, match=r"'timeuot'.*Did you mean timeout"):
        get_settings()


def test_a_home_that_is_no_folder_has_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRASCOPE_NB_CONFIG_DIR", "/dev/null/terrascope_nb")
    assert get_settings().timeout == 30.0


def test_an_area_that_cannot_be_saved_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with options(config_dir=tmp_path / "file"), pytest.raises(ExportError, match="TERRASCOPE_NB_CONFIG_DIR"):
        save_area("my field", (3.0, 51.0, 3.1, 51.1))


def test_a_list_of_products_is_refused_by_name() -> None:
    with pytest.raises(UnknownProductError, match="one search is about one product"):
        search(["s2-toc"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, json.dumps({"type": "FeatureCollection", "features": [], "terrascope_nb": {"dropped": [1]}})],
)
def test_odd_json_is_no_bare_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "items.json"
    path.write_text(text)
    with pytest.raises(CatalogueReplyError):
        read_items(path)
    if text.startswith("["):
        with pytest.raises(ValueError, match="no JSON"):
            area(path)


@pytest.mark.parametrize("name", ["terrascope_nb", "terrascope_nb.cli"])
def test_python_m_runs_the_command(name: str) -> None:
    run = subprocess.run([sys.executable, "-m", name, "--help"], capture_output=True, text=True, check=True)
    assert "doctor" in run.stdout


def test_whatever_settings_come_from_may_change_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRASCOPE_NB_CONFIG_DIR", str(tmp_path))
    file = tmp_path / "config.toml"
    assert get_settings().timeout == 30.0
    for seconds in (3, 4, 5):  # written one after the other, with the same size
        file.write_text(f"timeout = {seconds}")
        assert get_settings().timeout == seconds
    os.utime(file, (1.5e9, 1.5e9))
    assert get_settings() is get_settings()  # a file that rests is not read again
    file.write_text("timeout = 6")
    assert get_settings().timeout == 6
    monkeypatch.setenv("TERRASCOPE_NB_TIMEOUT", "7")
    assert get_settings().timeout == 7
    with options(timeout=8):
        assert get_settings().timeout == 8
    assert get_settings().timeout == 7
    monkeypatch.delenv("TERRASCOPE_NB_TIMEOUT")
    file.unlink()
    assert get_settings().timeout == 30.0


@pytest.mark.parametrize(
    ("home", "stated"),
    [("/home/x", None), ("/home/x/", ""), ("/", None), ("/home/x", "/etc/own"), ("/home/x", "own"), ("x", "/etc/own"), (None, None)],
)  # fmt: skip
def test_the_folders_are_those_of_platformdirs(
    monkeypatch: pytest.MonkeyPatch, home: str | None, stated: str | None
) -> None:
    for name, value in (("HOME", home), ("XDG_CONFIG_HOME", stated), ("XDG_CACHE_HOME", stated)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.config() == Path(platformdirs.user_config_dir("terrascope_nb", appauthor=False))
    assert settings.cache() == Path(platformdirs.user_cache_dir("terrascope_nb", appauthor=False))
