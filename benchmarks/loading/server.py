"""A file server on this machine that gives ranges, waits before each answer, and counts requests and bytes."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from pathlib import Path

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class RangeServer:
    """Serves files below a folder over HTTP/1.1, connections kept open."""

    def __init__(self, root: Path, delay: float) -> None:
        self.root, self.delay = root.resolve(), delay
        self.requests = self.sent = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").split("\r\n")
                headers = {
                    name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)
                }
                method, target, _ = request.split(" ", 2)
                writer.write(await self.answer(method, target, headers))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side is done
        finally:
            writer.close()

    async def answer(self, method: str, target: str, headers: dict[str, str]) -> bytes:
        if target == "/counted":
            body = json.dumps({"requests": self.requests, "bytes": self.sent}).encode()
            self.requests = self.sent = 0
            return _head("200 OK", len(body)) + body
        self.requests += 1
        await asyncio.sleep(self.delay)
        path = (self.root / target.partition("?")[0].lstrip("/")).resolve()
        if not path.is_relative_to(self.root) or not path.is_file():
            return _head("404 Not Found", 0)
        found = path.stat()
        more = [f'ETag: "{found.st_size:x}-{found.st_mtime_ns:x}"', "Accept-Ranges: bytes", "Content-Type: image/tiff"]
        asked = _RANGE.fullmatch(headers.get("range", ""))
        first, last, status = 0, found.st_size - 1, "200 OK"
        if asked:
            status = "206 Partial Content"
            if asked[1]:
                first, last = int(asked[1]), min(int(asked[2] or last), last)
            else:
                first = max(0, found.st_size - int(asked[2]))
            more.append(f"Content-Range: bytes {first}-{last}/{found.st_size}")
        head = _head(status, last - first + 1, more)
        if method == "HEAD":
            return head
        with path.open("rb") as file:
            file.seek(first)
            body = file.read(last - first + 1)
        self.sent += len(body)
        return head + body


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
