"""A person without a mouse: goes from control to control by Tab, and never has the focus taken away."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect
from support.notebooks import Notebook

_HAS_FOCUS = "one => one === document.activeElement"
_FOCUSED = """() => {
  const one = document.activeElement;
  const name = one.labels?.[0]?.textContent || one.getAttribute('aria-label') || one.textContent || one.title;
  return `${one.tagName.toLowerCase()} "${name.trim().slice(0, 60)}"`;
}"""
_SHOWS_FOCUS = """() => {
  const one = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  return !one.closest('.jp-OutputArea') || (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1);
}"""
"""Whether the element has a line around it; of what is the lab's own nothing is asked."""
_MOST = 150


class Keyboard:
    """The keys of a person who looks at one notebook."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook, self.page = notebook, notebook.page

    def press(self, *keys: str) -> None:
        """Press keys one after the other, wherever the focus is."""
        for key in keys:
            self.page.keyboard.press(key)

    def write(self, text: str, *, instead: bool = False) -> None:
        """Type a text where the focus is; `instead` of what stands there."""
        if instead:
            self.press("Control+a")
        self.page.keyboard.type(text)

    def tab_to(self, wanted: Locator, *, back: bool = False) -> Locator:
        """Press Tab (or Shift+Tab) until an element has the focus, and see that a person sees where it is."""
        key = "Shift+Tab" if back else "Tab"
        passed: list[str] = []
        for _ in range(_MOST):
            self.press(key)
            if wanted.count() == 1 and wanted.evaluate(_HAS_FOCUS):
                assert self.page.evaluate(_SHOWS_FOCUS), f"nothing shows that the focus is on {self.focused()}"
                return wanted
            passed.append(self.focused())
        raise AssertionError(f"{wanted} is not reached by {key}; it went by {', '.join(passed)}")

    def tab_to_button(self, name: str | re.Pattern[str], within: Locator, *, back: bool = False) -> Locator:
        """Go to the button of that name within a part of the page."""
        return self.tab_to(within.get_by_role("button", name=name, exact=isinstance(name, str)), back=back)

    def focused(self) -> str:
        """Say what has the focus."""
        told: str = self.page.evaluate(_FOCUSED)
        return told

    def still_on(self, element: Locator) -> None:
        """See that the focus stayed where it was, while the page was drawn anew around it."""
        expect(element).to_be_focused()
