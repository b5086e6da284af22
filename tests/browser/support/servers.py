"""A real JupyterLab and a real JupyterHub on ports of their own, in folders of their own, that end with the tests."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import nbformat
import psutil

HERE = Path(__file__).parents[1]
ROOT = HERE.parents[1]
HUB_USERS = ("anna", "jan.p@x")
PREFIX = "/hubprefix/"
TOKEN = "for-tests"
PASSWORD = "for-tests"

_SETTINGS: dict[str, dict[str, object]] = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # Every cell stands in the page, so that a test finds it without scrolling.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "autoStartDefaultKernel": True},
    # A notebook that was written beside the server is never "changed on disk" in the eyes of the lab.
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def write_settings(folder: Path) -> None:
    """Write what the lab would otherwise ask or show in a corner."""
    for name, values in _SETTINGS.items():
        path = folder / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


def lab_options(folder: Path) -> list[str]:
    """Return the options of a lab whose page may be driven and that serves our front end as it was built last."""
    options = ["--allow-root", "--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly"]
    built = ROOT / "terrascope_nb" / "labextension"
    if (built / "package.json").exists():
        # A copy: who builds anew while tests run does not pull the files from under the page.
        copies = folder / "labextensions"
        shutil.copytree(built, copies / "terrascope-nb")
        options.append(f"--LabServerApp.extra_labextensions_path={copies}")
    return options


class Site:
    """One server a person opens in a browser, with the folder its notebooks are in."""

    def __init__(self, url: str, folder: Path, user: str | None = None) -> None:
        self.url = url
        """Where the lab is, with the slash at the end."""
        self.folder = folder
        """What the person sees as the home folder."""
        self.user = user
        """The name at the hub; None: no hub, a token."""

    @property
    def origin(self) -> str:
        return "/".join(self.url.split("/")[:3])

    def write(self, name: str, cells: Sequence[str]) -> str:
        """Write a notebook of code cells; the path to open it."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        return name


class Process:
    """A server process and everything it started."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        ends_with: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.log = log
        self._ends_with = ends_with
        self._out = log.open("w")
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=folder,
            stdout=self._out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )

    def wait_for(self, url: str, seconds: float = 90) -> None:
        """Return when the server answers."""
        deadline = time.monotonic() + seconds
        while True:
            # An error is also the 404 of a proxy that does not know the hub yet.
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not come up:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.2)

    def stop(self) -> None:
        """End the server as a person would, then whatever it left behind."""
        started: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            started = psutil.Process(self._process.pid).children(recursive=True)
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(self._ends_with)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        for left in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()
        psutil.wait_procs(started, timeout=10)
        self._out.close()


def _environment(folder: Path) -> dict[str, str]:
    """Return this process's environment with every folder of a person's Jupyter moved below `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY_", "PYTEST_"))}
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    places = {
        "HOME": "home",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "run",
        "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    for name in places.values():
        (folder / name).mkdir(parents=True, exist_ok=True)
    return {**kept, **{variable: str(folder / name) for variable, name in places.items()}}


@contextlib.contextmanager
def serve_lab(folder: Path) -> Iterator[Site]:
    """Serve a JupyterLab with a token until the block ends."""
    environment = _environment(folder)
    write_settings(folder / "settings")
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    port = free_port()
    site = Site(f"http://127.0.0.1:{port}/", notebooks)
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1", f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={notebooks}", *lab_options(folder),
    ]  # fmt: skip
    process = Process(command, environment, folder, folder / "lab.log")
    try:
        process.wait_for(f"{site.url}api/status?token={TOKEN}")
        yield site
    finally:
        process.stop()


@contextlib.contextmanager
def serve_hub(folder: Path) -> Iterator[dict[str, Site]]:
    """Serve a JupyterHub below a prefix, with one lab per user, until the block ends."""
    environment = _environment(folder)
    port = free_port()
    homes = folder / "homes"
    for user in HUB_USERS:
        write_settings(homes / user / ".jupyter" / "lab" / "user-settings")
    told = {name: value for name, value in environment.items() if name.startswith("TERRASCOPE_NB_")}
    environment |= {
        "HUB_PORT": str(port),
        "HUB_API_PORT": str(free_port()),
        "PROXY_API_PORT": str(free_port()),
        "HUB_PREFIX": PREFIX,
        "HUB_PASSWORD": PASSWORD,
        "HUB_HOMES": str(homes),
        "HUB_PROXY": str(HERE / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"),
        "HUB_LAB_OPTIONS": json.dumps(lab_options(folder)),
        "HUB_USER_ENVIRONMENT": json.dumps(told),
    }
    config = Path(__file__).with_name("jupyterhub_config.py")
    command = [sys.executable, "-m", "jupyterhub", "--config", str(config)]
    # SIGINT also ends the servers of the users.
    process = Process(command, environment, folder, folder / "hub.log", signal.SIGINT)
    origin = f"http://127.0.0.1:{port}"
    try:
        process.wait_for(f"{origin}{PREFIX}hub/health")
        yield {user: Site(f"{origin}{PREFIX}user/{quote(user, safe='@')}/", homes / user, user) for user in HUB_USERS}
    finally:
        process.stop()


def find_chromium() -> str | None:
    """Return the browser of this machine."""
    named = os.environ.get("CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
