"""What the tests of the explorer share: a place in the sample, how its cell is run, and a catalogue that fails."""

from __future__ import annotations

import threading

from terrascope_nb.catalogue.sources import Found

BOX = (3.021, 50.813, 3.0275, 50.818)


def ids(items):
    return [item.id for item in items]


def run(text):
    names = {}
    exec(compile(text, "<cell>", "exec"), names)
    return names


class Broken:
    """A catalogue that fails, or hangs until it is let go."""

    def __init__(self, error=None):
        self.error = error
        self.go = threading.Event()

    def find(self, request):
        if self.error is None:
            self.go.wait(20)
            return Found([], 0, [])
        raise self.error
