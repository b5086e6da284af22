"""What is built with the package: the JupyterLab extension, where there is npm; without it the install goes on."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
NPM = """#!/bin/sh
echo "$@" >> "{log}"
if [ "$1" = run ]; then mkdir -p ../terrascope_nb/labextension/static; echo '{{}}' > ../terrascope_nb/labextension/package.json
echo built > ../terrascope_nb/labextension/static/remoteEntry.js; fi
"""


@pytest.fixture
def hook_module():
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path):
    """A checkout with an extension of one file."""
    (tmp_path / "labextension" / "src").mkdir(parents=True)
    (tmp_path / "terrascope_nb").mkdir()
    (tmp_path / "labextension" / "src" / "index.ts").write_text("export {};\n")
    for name in ("package.json", "package-lock.json", "tsconfig.json", ".npmrc"):
        (tmp_path / "labextension" / name).write_text("{}")
    (tmp_path / "install.json").write_text("{}")
    return tmp_path


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """An npm that writes down what it was asked; the lines of its log."""
    folder, log = tmp_path / "bin", tmp_path / "npm.log"
    folder.mkdir()
    (folder / "npm").write_text(NPM.format(log=log))
    (folder / "npm").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return lambda: log.read_text().splitlines() if log.exists() else []


def build(module, root, target="wheel"):
    said = []
    hook = module.BuildHook(str(root), {}, None, None, str(root / "dist"), target)
    # hatchling gives a hook its console as this attribute
    hook._BuildHookInterface__app = SimpleNamespace(display_warning=said.append)
    data = {}
    hook.initialize("standard", data)
    return data, said


def test_the_extension_is_built_once_and_again_when_its_source_changed(hook_module, checkout, npm):
    data, said = build(hook_module, checkout)
    assert npm() == ["ci --no-audit --no-fund", "run build:prod"]
    assert not said
    there = set(data["shared_data"].values())
    assert there == {
        f"{hook_module.INSTALLED}/{name}" for name in ("package.json", "static/remoteEntry.js", "install.json")
    }
    build(hook_module, checkout)
    assert len(npm()) == 2
    (checkout / "labextension" / "src" / "index.ts").write_text("export const changed = 1;\n")
    build(hook_module, checkout)
    assert len(npm()) == 4


def test_without_npm_the_package_installs_and_says_what_is_missing(hook_module, checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    data, said = build(hook_module, checkout)
    assert "shared_data" not in data
    assert "npm not found" in said[0]
    assert "Node.js" in said[0]


def test_an_archive_holds_what_was_built_so_that_it_installs_without_npm(hook_module, checkout, npm, monkeypatch):
    data, _ = build(hook_module, checkout, "sdist")
    assert data["artifacts"] == ["/terrascope_nb/labextension/**"]
    monkeypatch.setenv("PATH", "")
    data, said = build(hook_module, checkout)
    assert not said
    assert "shared_data" in data


def test_the_build_can_be_left_out(hook_module, checkout, npm, monkeypatch):
    monkeypatch.setenv("TERRASCOPE_NB_SKIP_LABEXTENSION", "1")
    data, said = build(hook_module, checkout)
    assert (npm(), said, data) == ([], [], {})


def test_the_lock_file_names_no_registry_and_nothing_that_is_built_is_committed():
    lock = json.loads((ROOT / "labextension" / "package-lock.json").read_text(encoding="utf-8"))
    assert not [name for name, facts in lock["packages"].items() if "resolved" in facts]
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    done = subprocess.run(["git", "ls-files", "terrascope_nb/labextension", "labextension/lib", "labextension/node_modules"],
                          cwd=ROOT, capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout == ""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_tiles_are_asked_for_cancelled_and_timed_out_as_they_should(tmp_path):
    client = ROOT / "labextension" / "lib" / "services" / "tiles.js"
    if not client.is_file():
        pytest.skip("the extension is not built: npm run build in labextension")
    shutil.copy(client, tmp_path / "tiles.mjs")
    shutil.copy(ROOT / "tests" / "labextension" / "tiles.test.mjs", tmp_path)
    done = subprocess.run(["node", "--test", str(tmp_path / "tiles.test.mjs")], capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout
