"""What tests of several widgets need."""

from __future__ import annotations

import threading

import pytest

from terrascope_nb.widgets.panel import availability


@pytest.fixture
def flags_may_be_read(monkeypatch):
    """Hold the reading of quality flags back until this event is set."""
    go, real = threading.Event(), availability.measured_marks

    def later(*given, **named):
        go.wait(20)
        yield from real(*given, **named)

    monkeypatch.setattr(availability, "measured_marks", later)
    return go
