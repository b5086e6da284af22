"""Widgets that leave a part of themselves to their subclasses, and cannot be made without it."""

from __future__ import annotations

from abc import ABCMeta

from traitlets import MetaHasTraits


class AbstractWidget(ABCMeta, MetaHasTraits):
    """Metaclass of a widget class with methods marked `abc.abstractmethod`."""
