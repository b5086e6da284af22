"""What a person reads on a widget, in the language they chose: English, Dutch or French."""

from __future__ import annotations

import os
import tomllib
from functools import lru_cache
from importlib.resources import files

from terrascope_nb.settings import get_settings

LANGUAGES = ("en", "nl", "fr")


def language() -> str:
    """Return the language to write in: the setting ``language``, else the machine's own when we speak it, else English.

    >>> language() in LANGUAGES
    True
    """
    chosen = get_settings().language
    if chosen:
        return chosen
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if told := os.environ.get(variable):
            short = told[:2].lower()
            return short if short in LANGUAGES else "en"
    return "en"


def say(text: str, **facts: object) -> str:
    """Return an English sentence in the reader's language, with its facts filled in.

    Parameters
    ----------
    text : str
        The English sentence as it stands in ``locale/words/*.toml``; facts are named in braces. A sentence that was
        not translated stays English.
    **facts
        What the braces hold.

    >>> say("{count} dates", count=3)
    '3 dates'
    """
    spoken = language()
    sentence = text if spoken == "en" else translations().get(text, {}).get(spoken, text)
    return sentence.format(**facts) if facts else sentence


@lru_cache(maxsize=1)
def translations() -> dict[str, dict[str, str]]:
    """Return every translated sentence: English text -> language -> text.

    One file per part of the house in ``locale/words``; each key is the English sentence, each value a table with
    ``nl`` and ``fr``.
    """
    found: dict[str, dict[str, str]] = {}
    folder = files("terrascope_nb").joinpath("locale", "words")
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if entry.name.endswith(".toml"):
            found.update(tomllib.loads(entry.read_text(encoding="utf-8")))
    return found
