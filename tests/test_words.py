"""What widgets say: every sentence in the code stands in three languages, with the same facts."""

from __future__ import annotations

import ast
import string
from pathlib import Path

import pytest

import terrascope_nb
from terrascope_nb import words
from terrascope_nb.errors import SettingsError
from terrascope_nb.settings import get_settings, options

_PACKAGE = Path(terrascope_nb.__file__).parent


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def _said_in_code() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(_PACKAGE.rglob("*.py")):
        if path.name == "words.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(getattr(node, "func", None), "id", "")
            if isinstance(node, ast.Call) and name == "say":
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    found[str(first.value)] = str(path.relative_to(_PACKAGE))
    return found


def test_every_sentence_of_the_code_is_translated() -> None:
    known = words.translations()
    missing = {text: where for text, where in _said_in_code().items() if text not in known}
    assert not missing


def test_every_translation_has_both_languages_and_the_same_facts() -> None:
    known = words.translations()
    assert known
    for text, by_language in known.items():
        assert set(by_language) == {"nl", "fr"}, text
        for translated in by_language.values():
            assert _fields(translated) == _fields(text), text


@pytest.mark.parametrize(("language", "expected"), [("en", "3 dates"), ("nl", "3 datums"), ("fr", "3 dates")])
def test_the_setting_chooses_the_language(language: str, expected: str) -> None:
    with options(language=language):
        assert words.say("{count} dates", count=3) == expected


def test_the_machine_chooses_when_nobody_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LC_MESSAGES", "nl_BE.UTF-8")
    assert words.language() == "nl"
    monkeypatch.setenv("LC_MESSAGES", "de_DE.UTF-8")
    assert words.language() == "en"


def test_a_language_nobody_speaks_here_is_refused() -> None:
    with pytest.raises(SettingsError, match="en, nl and fr"), options(language="de"):
        pass
    assert get_settings().language != "de"
