"""Builds what is not Python while the package is built: the JupyterLab extension, where there is npm.

Without npm the package installs all the same and says what is missing: maps then show pictures instead of live tiles.
``TERRASCOPE_NB_SKIP_LABEXTENSION=1`` leaves the extension as it is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

INSTALLED = "share/jupyter/labextensions/terrascope-nb"


class BuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """One method per thing that is built; each leaves the package installable when its tool is missing."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build what is out of date and hand the results to the wheel or the archive."""
        self._labextension(Path(self.root), build_data)

    def _labextension(self, root: Path, build_data: dict[str, Any]) -> None:
        source, built = root / "labextension", root / "terrascope_nb" / "labextension"
        stamp = built / ".stamp"
        digest = fingerprint(source)
        fresh = stamp.is_file() and stamp.read_text(encoding="utf-8") == digest
        if not fresh and os.environ.get("TERRASCOPE_NB_SKIP_LABEXTENSION") != "1":
            if npm := shutil.which("npm"):
                subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=source, check=True)  # noqa: S603
                subprocess.run([npm, "run", "build:prod"], cwd=source, check=True)  # noqa: S603
                stamp.write_text(digest, encoding="utf-8")
            elif not (built / "package.json").is_file():
                self.app.display_warning(
                    "npm not found: terrascope_nb is installed without its JupyterLab extension, so maps show pictures "
                    "instead of live tiles. Install Node.js 20 or newer and install again."
                )
            else:
                self.app.display_warning("npm not found: the JupyterLab extension stays as it was built before.")
        if not (built / "package.json").is_file():
            return
        if self.target_name == "sdist":
            build_data.setdefault("artifacts", []).append("/terrascope_nb/labextension/**")
        else:
            shared = build_data.setdefault("shared_data", {})
            for path in sorted(built.rglob("*")):
                if path.is_file() and path != stamp:
                    shared[str(path)] = f"{INSTALLED}/{path.relative_to(built).as_posix()}"
            shared[str(root / "install.json")] = f"{INSTALLED}/install.json"


def fingerprint(source: Path) -> str:
    """Return a digest of all that the extension is built from."""
    files = [path for folder in ("src", "style", "schema") for path in (source / folder).rglob("*") if path.is_file()]
    files += [source / name for name in ("package.json", "package-lock.json", "tsconfig.json", ".npmrc")]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(source).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
