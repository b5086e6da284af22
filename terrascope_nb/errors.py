"""Every error and warning of terrascope_nb.

    TerrascopeError
    ├── UnknownProductError      (LookupError)    no product of that name
    ├── UnknownBandError         (LookupError)    the product has no such band
    ├── UnknownIndexError        (LookupError)    no spectral index of that name
    ├── UnknownEncodingError     (ValueError)     nobody states scale, offset or nodata
    ├── SettingsError            (ValueError)     a setting that cannot be read
    ├── TableError               (ValueError)     a product table contradicts itself
    ├── UnreadableNameError      (ValueError)     a file or folder name nobody documented
    ├── AreaError                (ValueError)     an area that cannot be used
    │   ├── MissingCrsError                       the file says no coordinate system
    │   ├── ViewerLinkError                       no link of the Terrascope viewer, or one that shows nothing possible
    │   └── UnknownPlaceError    (LookupError)    no place, tile or saved area of that name
    ├── PeriodError              (ValueError)     a period that cannot be read
    ├── CatalogueError                            a catalogue did not do what was asked
    │   ├── CatalogueUnreachableError (OSError)   no answer, or a server error after retries
    │   ├── CatalogueReplyError  (ValueError)     an answer that is not what it should be
    │   ├── NothingFoundError    (LookupError)    no item where one is needed
    │   ├── FilterError          (ValueError)     a filter of a search that cannot be read or applied
    │   └── CellError            (ValueError)     the text of a cell that cannot be written or read back
    ├── AccessError                               a file cannot be opened
    │   ├── AssetUnreachableError (OSError)       missing here and over HTTPS
    │   ├── CorruptAssetError    (OSError)        there, but damaged
    │   └── UntrustedPathError   (PermissionError) outside the archive roots
    ├── NotLoadableError         (TypeError)      searchable, but not a grid of pixels
    ├── GridError                (ValueError)     no pixel grid fits what was asked
    ├── CubeError                (ValueError)     a cube that is not fit for what was asked
    ├── MaskError                (ValueError)     a mask that cannot be made
    ├── MemoryBudgetError        (MemoryError)    larger than the memory that is ours
    ├── ExportError              (OSError)        a result could not be written whole
    └── MissingExtraError        (ImportError)    an optional part is not installed

    TerrascopeWarning            (UserWarning)    we chose something for the user

A message says what was asked, what is so, and what to do next. The facts behind it are attributes of the error.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_USERINFO = re.compile(r"(?<=://)[^/?#\s'\"<>]*@")
_SECRET_VALUE = re.compile(
    r"((?:[?&;#]|&amp;)(?:[\w.-]*(?:token|signature|password|secret)|key|api[_-]?key|sig|code|x-amz-[\w-]+)=)[^&;#\s'\"<>)]*",
    re.IGNORECASE,
)
_ADDRESSES = frozenset({"href", "url", "hrefs"})


def redacted(text: str) -> str:
    """Return a text in which no address shows who signs in, or a token, key, signature or password.

    >>> redacted("https://me:secret@example.org/stac?token=abc&page=2")
    'https://***@example.org/stac?token=***&page=2'
    """
    return _SECRET_VALUE.sub(r"\1***", _USERINFO.sub("***@", text))


def _fit_to_show(name: str, fact: object) -> object:
    if name not in _ADDRESSES:
        return fact
    if isinstance(fact, str):
        return redacted(fact)
    if isinstance(fact, tuple | list):
        return type(fact)(redacted(one) if isinstance(one, str) else one for one in fact)
    return fact


class TerrascopeError(Exception):
    """Root of all errors of this package; keyword arguments become attributes.

    Secrets in addresses are left out of the message and of the facts ``href``, ``hrefs`` and ``url``.
    """

    def __init__(self, message: str = "", **facts: object) -> None:
        message = redacted(message)
        facts = {name: _fit_to_show(name, fact) for name, fact in facts.items()}
        super().__init__(message)
        self.message = message
        self.facts = facts
        for name, value in facts.items():
            setattr(self, name, value)

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders on Dask workers; the default pickling would lose the facts.
        return _rebuild, (type(self), self.message, self.facts)

    def __getattr__(self, name: str) -> object:
        # Only reached for names that are no attribute; present so that type checkers accept the facts.
        raise AttributeError(name)


def _rebuild(kind: type[TerrascopeError], message: str, facts: dict[str, object]) -> TerrascopeError:
    return kind(message, **facts)


class UnknownProductError(TerrascopeError, LookupError):
    """No product of that name."""


class UnknownBandError(TerrascopeError, LookupError):
    """The product has no such band."""


class UnknownIndexError(TerrascopeError, LookupError):
    """No spectral index of that name."""


class UnknownEncodingError(TerrascopeError, ValueError):
    """Neither item, file nor table says how stored numbers become physical values."""


class SettingsError(TerrascopeError, ValueError):
    """A variable or a line of config.toml that cannot be read as the setting it names."""


class TableError(TerrascopeError, ValueError):
    """A product table contradicts itself."""


class UnreadableNameError(TerrascopeError, ValueError):
    """A file or folder name that follows no documented Terrascope grammar."""


class AreaError(TerrascopeError, ValueError):
    """An area that cannot be used."""


class MissingCrsError(AreaError):
    """A geometry without a coordinate system."""


class ViewerLinkError(AreaError):
    """No link of the Terrascope viewer, or one whose box or date cannot be."""


class UnknownPlaceError(AreaError, LookupError):
    """No place, tile or saved area of that name."""


class PeriodError(TerrascopeError, ValueError):
    """A period that cannot be read."""


class CatalogueError(TerrascopeError):
    """A catalogue did not do what was asked."""


class CatalogueUnreachableError(CatalogueError, OSError):
    """No answer, or a server error that stayed after retries."""


class CatalogueReplyError(CatalogueError, ValueError):
    """An answer that is not what it should be."""


class NothingFoundError(CatalogueError, LookupError):
    """No item where at least one is needed."""


class FilterError(CatalogueError, ValueError):
    """A filter of a search that cannot be read or applied."""


class CellError(CatalogueError, ValueError):
    """The text of a cell that cannot be written, or holds no search that can be read back."""


class AccessError(TerrascopeError):
    """A file cannot be opened."""


class AssetUnreachableError(AccessError, OSError):
    """A file is neither on a mount here nor answered over HTTPS."""


class CorruptAssetError(AccessError, OSError):
    """A file is there but damaged."""


class UntrustedPathError(AccessError, PermissionError):
    """A catalogue names a local path outside the configured archive roots."""


class NotLoadableError(TerrascopeError, TypeError):
    """A product that can be searched but is not a grid of pixels."""


class GridError(TerrascopeError, ValueError):
    """No pixel grid fits what was asked."""


class CubeError(TerrascopeError, ValueError):
    """A cube that is not fit for what was asked of it."""


class MaskError(TerrascopeError, ValueError):
    """A mask that cannot be made."""


class MemoryBudgetError(TerrascopeError, MemoryError):
    """A result larger than the memory that is really ours."""


class ExportError(TerrascopeError, OSError):
    """A result could not be written whole."""


class MissingExtraError(TerrascopeError, ImportError):
    """An optional part is not installed."""


class TerrascopeWarning(UserWarning):
    """We chose something for the user, and say what."""


def near_misses(asked: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """Return the known names nearest to what was asked, best first.

    >>> near_misses("s2-nvdi", ["s2-ndvi", "s2-toc", "s1-sigma0"])
    ['s2-ndvi']
    """
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(asked.lower(), list(by_lower), n=most, cutoff=0.6)
    return [by_lower[name] for name in found]
