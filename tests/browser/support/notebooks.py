"""A notebook in a real lab, driven as a person would: open, run, look, restart."""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from playwright.sync_api import Locator, Page, Route, expect
from support.pictures import Shot
from support.servers import HERE, PASSWORD, PREFIX, TOKEN, Site
from support.watching import Watch

AXE = HERE / "node_modules" / "axe-core" / "axe.min.js"
LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"

_KERNEL_IS_IDLE = """() => {
  const session = window.jupyterapp?.shell.currentWidget?.sessionContext?.session;
  return session?.kernel?.status === 'idle' && session.kernel.connectionStatus === 'connected';
}"""
_RUN = """async ([number, wait]) => {
  const app = window.jupyterapp;
  app.shell.currentWidget.content.activeCellIndex = number;
  const done = app.commands.execute('notebook:run-cell');
  if (wait) { await done; }
}"""
_ASK = """async (expression) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const asked = { code: '', silent: true, store_history: false, user_expressions: { told: expression } };
  const { told } = (await kernel.requestExecute(asked).done).content.user_expressions;
  if (told.status !== 'ok') { throw new Error(`${told.ename}: ${told.evalue}`); }
  return told.data['text/plain'];
}"""
_HEAR_RESTART = """() => {
  window.wasRestarted = false;
  window.jupyterapp.shell.currentWidget.sessionContext.session.statusChanged.connect((_, status) => {
    window.wasRestarted ||= status === 'restarting';
  });
}"""
_CONFIG = r"(?<=id=\"jupyter-config-data\" type=\"application/json\">)([^<]*)(?=</script>)"
"""Where the page of a lab says which extensions it loads."""
_AXE_OF = """async (selector) => {
  const found = await axe.run(selector);
  return found.violations.map(one => `${one.id} (${one.impact}): ${one.help}\\n` +
    one.nodes.map(node => '    ' + node.html.slice(0, 160) + '  ' + (node.any[0]?.message ?? '')).join('\\n'));
}"""


class Notebook:
    """One page with a lab in it and one notebook open."""

    def __init__(self, page: Page, site: Site, watch: Watch) -> None:
        self.page = page
        self.site = site
        self.watch = watch

    def log_in(self) -> None:
        """Log in at the hub and wait until the server of the user is there."""
        assert self.site.user is not None
        origin = self.site.origin
        inside = urlsplit(self.site.url).path
        self.page.goto(f"{origin}{PREFIX}hub/login?next={quote(f'{PREFIX}hub/user-redirect/lab')}")
        self.page.locator("#username_input").fill(self.site.user)
        self.page.locator("#password_input").fill(PASSWORD)
        self.page.locator("#login_submit").click()
        self.page.wait_for_url(re.compile(f".*{re.escape(inside)}lab.*"), timeout=120_000)
        self.page.wait_for_function("() => window.jupyterapp !== undefined", timeout=120_000)

    def open(self, path: str) -> None:
        """Open a notebook and wait for its kernel."""
        token = f"?token={TOKEN}&reset" if self.site.user is None else "?reset"
        self.page.goto(f"{self.site.url}lab/tree/{path}{token}")
        self.wait_until_idle()

    def open_cells(self, *cells: str, name: str = "test.ipynb") -> None:
        """Write a notebook with these cells and open it."""
        self.open(self.site.write(name, cells))

    def wait_until_idle(self, seconds: float = 90) -> None:
        self.page.wait_for_function(_KERNEL_IS_IDLE, timeout=seconds * 1000)

    def run(self, number: int = 0, *, wait: bool = True) -> Locator:
        """Run a cell; its output. With ``wait=False`` it goes on while the test does."""
        self.page.evaluate(_RUN, [number, wait])
        return self.output(number)

    def output(self, number: int) -> Locator:
        """Return the output of a cell."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number).locator(".jp-Cell-outputArea")

    def text(self, number: int) -> str:
        """Return what a cell printed."""
        return self.output(number).inner_text().strip()

    def ask(self, expression: str) -> Any:
        """Return what the kernel holds, without a cell: notebook, page and focus stay as they are.

        Parameters
        ----------
        expression : str
            Python of which the value can be written as JSON.
        """
        told = self.page.evaluate(_ASK, f"__import__('json').dumps({expression})")
        return json.loads(ast.literal_eval(told))

    def holds(self, expression: str, wanted: Any, seconds: float = 60) -> None:
        """See that the kernel holds a value, now or soon: what is done in the page reaches it a moment later."""
        deadline = time.monotonic() + seconds
        while (told := self.ask(expression)) != wanted:
            assert time.monotonic() < deadline, f"{expression} should be {wanted!r} in the kernel, and is {told!r}"
            self.page.wait_for_timeout(100)

    def set_cell(self, number: int, code: str) -> None:
        """Write the text of a cell."""
        self.page.evaluate(
            "([number, text]) => window.jupyterapp.shell.currentWidget.content.widgets[number]"
            ".model.sharedModel.setSource(text)",
            [number, code],
        )

    def command(self, name: str, **arguments: Any) -> None:
        """Execute a command of the lab."""
        self.page.evaluate("([name, options]) => window.jupyterapp.commands.execute(name, options)", [name, arguments])

    def restart_kernel(self) -> None:
        """Restart the kernel, without the question."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
        self.wait_until_idle()

    @contextmanager
    def restarting(self) -> Iterator[None]:
        """Wait, when the block is over, until the kernel that is restarted in it is back."""
        self.page.evaluate(_HEAR_RESTART)
        yield
        self.page.wait_for_function("() => window.wasRestarted")
        self.wait_until_idle()

    def interrupt_kernel(self) -> None:
        """Stop the cell that runs."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()")

    def is_running(self, number: int) -> bool:
        """Whether a cell runs; the kernel's own state is no help, as it answers widgets beside the cell."""
        return "[*]" in self.page.locator(".jp-Notebook .jp-Cell").nth(number).locator(".jp-InputPrompt").inner_text()

    def wait_until_running(self, number: int) -> None:
        prompt = self.page.locator(".jp-Notebook .jp-Cell").nth(number).locator(".jp-InputPrompt")
        expect(prompt).to_contain_text("[*]")

    def leave_out_extension(self, name: str) -> None:
        """Have the lab start as if an extension were not installed."""

        def answer(route: Route) -> None:
            response = route.fetch()
            head, config, tail = re.split(_CONFIG, response.text(), maxsplit=1)
            told = json.loads(config)
            told["federated_extensions"] = [one for one in told["federated_extensions"] if one["name"] != name]
            route.fulfill(response=response, body=head + json.dumps(told) + tail)

        self.page.route("**/lab/tree/**", answer)

    def shut_down_kernel(self) -> None:
        """End the session of the notebook, so that kernels of earlier tests do not stay."""
        self.page.evaluate("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown()")

    def save(self) -> Path:
        """Save the notebook with the state of its widgets; the file."""
        self.command("docmanager:save")
        path = self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.path")
        return self.site.folder / path

    def theme(self, name: str) -> None:
        """Switch between light and dark."""
        self.command("apputils:change-theme", theme=name)
        light = "true" if name == LIGHT else "false"
        self.page.locator(f"body[data-jp-theme-light='{light}']").wait_for(state="attached")

    def shot(self, what: Locator | str | None = None) -> Shot:
        """Return a picture of an element, or of the page."""
        found = self.page.locator(what) if isinstance(what, str) else what
        return Shot(self.page.screenshot() if found is None else found.screenshot())

    def violations(self, selector: str) -> list[str]:
        """Return what axe-core finds wrong for people who read with a screen reader or the keyboard."""
        if not self.page.evaluate("() => typeof axe !== 'undefined'"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: list[str] = self.page.evaluate(_AXE_OF, selector)
        return found
