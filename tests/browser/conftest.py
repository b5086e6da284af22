"""Real JupyterLab and JupyterHub, real Chromium: fixtures, and what no page may do."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Playwright, expect, sync_playwright
from support.notebooks import AXE, Notebook
from support.servers import HERE, Site, find_chromium, serve_hub, serve_lab
from support.watching import Watch

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    # A page that a test changed on its way may still talk to the server it came from.
    "--disable-features=LocalNetworkAccessChecks",
    # What a page asks of anybody else is seen by the watch, and gets nowhere.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]  # fmt: skip
VIEWPORT = {"width": 1400, "height": 900}
expect.set_options(timeout=30_000)  # as long as a busy machine may need; what is there sooner is not waited for


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark every test of this folder."""
    item.add_marker("browser")


def _must_be_here(what: str, there: object) -> None:
    if there:
        return
    message = f"{what} is missing: run tools/setup-browser.sh as root (Debian), or see CONTRIBUTING.md"
    if os.environ.get("CI") or os.environ.get("BROWSER_TESTS") == "must":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Drive browsers; ends with the module, as its event loop would stand in the way of other tests' loops."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Chromium of this machine, without a window."""
    chromium = find_chromium()
    _must_be_here("Chromium", chromium)
    launched = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
    yield launched
    launched.close()


@pytest.fixture(scope="session")
def lab_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A JupyterLab with a token, in folders of its own."""
    _must_be_here("Chromium", find_chromium())
    with serve_lab(tmp_path_factory.mktemp("lab")) as site:
        yield site


@pytest.fixture(scope="session")
def hub_sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    """A JupyterHub below a prefix, with two users."""
    _must_be_here("Chromium", find_chromium())
    _must_be_here("node", shutil.which("node"))
    _must_be_here("configurable-http-proxy", (HERE / "node_modules" / "configurable-http-proxy").is_dir())
    with serve_hub(tmp_path_factory.mktemp("hub")) as sites:
        yield sites


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[[Site], Notebook]]:
    """Open a site in a browser of its own; when the test ends, nothing may have gone wrong in any of them."""
    opened: list[tuple[BrowserContext, Notebook]] = []
    _must_be_here("axe-core", AXE.is_file())

    def open_site(site: Site, **options: Any) -> Notebook:
        context = browser.new_context(viewport=VIEWPORT, **options)
        context.set_default_timeout(60_000)
        watch = Watch(context, site.origin)
        notebook = Notebook(context.new_page(), site, watch)
        opened.append((context, notebook))
        if site.user is not None:
            notebook.log_in()
        return notebook

    yield open_site
    shots = os.environ.get("BROWSER_SHOTS")
    for number, (context, notebook) in enumerate(opened):
        if shots:
            notebook.shot().save(Path(shots) / f"{request.node.name}-{number}.png".replace("/", "-"))
        with contextlib.suppress(Error):  # no lab in the page: the server's end takes the kernel along
            notebook.shut_down_kernel()
        context.close()
    for _, notebook in opened:
        notebook.watch.check()


@pytest.fixture
def lab(visit: Callable[[Site], Notebook], lab_site: Site) -> Notebook:
    """A page for one notebook in the lab."""
    return visit(lab_site)


@pytest.fixture
def hub(visit: Callable[[Site], Notebook], hub_sites: dict[str, Site]) -> dict[str, Notebook]:
    """A page for one notebook for each user of the hub."""
    return {user: visit(site) for user, site in hub_sites.items()}
