"""What a page must not do: complain on the console, lose a request, or ask anyone but its own server."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, WebError, WebSocket

_OF_THE_LAB = (
    # A lab or hub that is fresh has no workspace, no settings of a person, no checkpoint: it asks and hears 404.
    r"Failed to load resource: the server responded with a status of 404 .*/(api/contents|lab/api/workspaces)",
    r"^Could not restore the debugger state: Canceled future",  # a kernel that was restarted
    r"status of 404 .*/favicon\.ico\]$",
)
"""Complaints on the console that are not ours and mean nothing."""


class Watch:
    """Everything that went wrong in a browser context since it was opened."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.host = urlsplit(origin).netloc
        self.complaints: list[str] = []
        """Errors on the console and errors nobody caught."""
        self.lost: list[str] = []
        """Requests that failed, but those the page itself gave up."""
        self.left: list[str] = []
        """Requests to anybody but the server."""
        self.asked: list[str] = []
        """Every address that was asked, so that a test knows something was watched."""
        self._expected = list(_OF_THE_LAB)
        context.on("console", self._console)
        context.on("weberror", self._uncaught)
        context.on("request", self._request)
        context.on("requestfailed", self._failed)
        context.on("page", self._page)

    def expect(self, pattern: str) -> None:
        """Take console errors that match from now on as wanted."""
        self._expected.append(pattern)

    def check(self) -> None:
        """Raise when the page did what it must not."""
        assert not self.left, f"requests left for other servers than {self.host}: {self.left[:5]}"
        complaints = [text for text in self.complaints if not any(re.search(one, text) for one in self._expected)]
        assert not complaints, "the page complained:\n" + "\n".join(complaints[:8])
        assert not self.lost, f"requests failed: {self.lost[:5]}"
        assert self.asked, "nothing was watched"

    def _page(self, page: Page) -> None:
        page.on("websocket", self._socket)

    def _uncaught(self, error: WebError) -> None:
        self.complaints.append(getattr(error.error, "stack", "") or str(error.error))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} [{message.location.get('url', '')}]")

    def _request(self, request: Request) -> None:
        self._see(request.url)

    def _socket(self, socket: WebSocket) -> None:
        self._see(socket.url)

    def _see(self, url: str) -> None:
        self.asked.append(url)
        parts = urlsplit(url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != self.host:
            self.left.append(url)

    def _failed(self, request: Request) -> None:
        if request.failure not in {"net::ERR_ABORTED", None}:  # aborted: the page moved on
            self.lost.append(f"{request.url}: {request.failure}")
