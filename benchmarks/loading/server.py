"""A file server on this machine that gives ranges, waits before each answer, and counts requests and bytes."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
from pathlib import Path

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_LITTLE = 64 * 1024
"""Bytes that are sent with the lines before them; more goes from the page cache to the connection without a copy."""


class RangeServer:
    """Serves files below a folder over HTTP/1.1, connections kept open."""

    def __init__(self, root: Path, delay: float) -> None:
        self.root, self.delay = root.resolve(), delay
        self.requests = self.sent = 0
        self.paths: dict[str, str] = {}

    def path_of(self, target: str) -> str | None:
        """Return the file of an address; where links lead is asked once for each."""
        if target not in self.paths:
            path = (self.root / target.partition("?")[0].lstrip("/")).resolve()
            if not path.is_relative_to(self.root) or not path.is_file():
                return None
            self.paths[target] = str(path)
        return self.paths[target]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").split("\r\n")
                headers = {
                    name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)
                }
                method, target, _ = request.split(" ", 2)
                await self.answer(writer, method, target, headers)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side is done
        finally:
            writer.close()

    async def answer(self, writer: asyncio.StreamWriter, method: str, target: str, headers: dict[str, str]) -> None:
        if target == "/counted":
            body = json.dumps({"requests": self.requests, "bytes": self.sent}).encode()
            self.requests = self.sent = 0
            return writer.write(_head("200 OK", len(body)) + body)
        self.requests += 1
        await asyncio.sleep(self.delay)
        path = self.path_of(target)
        if path is None:
            return writer.write(_head("404 Not Found", 0))
        found = os.stat(path)  # noqa: PTH116 - runs for every request, as do these
        more = [f'ETag: "{found.st_size:x}-{found.st_mtime_ns:x}"', "Accept-Ranges: bytes", "Content-Type: image/tiff"]
        asked = _RANGE.fullmatch(headers.get("range", ""))
        first, last, status = 0, found.st_size - 1, "200 OK"
        if asked:
            status = "206 Partial Content"
            if asked[1]:
                first, last = int(asked[1]), min(int(asked[2] or last), last)
            else:
                first = max(0, found.st_size - int(asked[2]))
            if first > last:
                return writer.write(_head("416 Range Not Satisfiable", 0, [f"Content-Range: bytes */{found.st_size}"]))
            more.append(f"Content-Range: bytes {first}-{last}/{found.st_size}")
        length = last - first + 1
        head = _head(status, length, more)
        if method == "HEAD":
            return writer.write(head)
        with open(path, "rb") as file:  # noqa: ASYNC230, PTH123 - from the page cache
            if length <= _LITTLE:
                file.seek(first)
                writer.write(head + file.read(length))
            else:
                writer.write(head)
                await asyncio.get_running_loop().sendfile(writer.transport, file, first, length)
        self.sent += length
        return None


def _head(status: str, length: int, more: list[str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {length}", *(more or [])]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin1")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--ms", type=float, default=20)
    given = parser.parse_args()
    served = RangeServer(given.root, given.ms / 1000)
    listening = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    async with listening:
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
