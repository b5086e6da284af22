"""A mouse on the map of an area picker: drag, and draw a rectangle with the tool for it."""

from __future__ import annotations

from playwright.sync_api import Page

Point = tuple[float, float]


def drag(page: Page, start: Point, end: Point) -> None:
    """Press at one place of the page, and let go at another."""
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=8)
    page.mouse.up()


def draw_rectangle(page: Page, left: float, top: float, width: float, height: float) -> None:
    """Draw a rectangle; its corner and size are in pixels of the map."""
    shown = page.locator(".leaflet-container").first
    shown.scroll_into_view_if_needed()
    page.locator(".leaflet-draw-draw-rectangle").click()
    box = shown.bounding_box()
    assert box is not None
    x, y = box["x"] + left, box["y"] + top
    drag(page, (x, y), (x + width, y + height))
