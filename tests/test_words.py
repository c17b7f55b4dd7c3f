"""Do documents, pages, messages and comments use the words of CONTRIBUTING.md?"""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from tests.documents import DOCUMENTS, prose
from tests.test_architecture import MODULES, TREE, named

DIALECT = re.compile(
    r"\b(told|heard|of late|is so|asked for|mend(?:ed|s)?|bec[ao]mes? of|nobody can say"
    r"|not to be had|doors?|doorways?|held up|makes no sense|put away|any more|anew|still at work"
    r"|goes? on from|is away|was away)\b",
    re.IGNORECASE,
)
# Its own examples are dialect.
THIS = "tests/test_words.py"
SCREENS = (".html", ".txt", ".css", ".js", ".sh")
# A page's own text is outside of Django's tags and variables.
TAG = re.compile(r"\{[%{#].*?[%}#]\}", re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_documents(document: Path) -> None:
    # Quoted messages and rules are the code's; the table in CONTRIBUTING.md is of such words.
    text = prose(document).partition("| not | but |")
    rest = text[0] + text[2].partition("\n\n")[2]
    lines = [line for line in rest.splitlines() if not line.startswith("| `")]
    assert [line for line in lines if DIALECT.search(line)] == []


def test_pages_and_scripts() -> None:
    paths = [path for path in TREE if path.suffix in SCREENS or path.name == "mooring"]
    assert len(paths) > 100
    found = {
        f"{named(path)}: {line.strip()}"
        for path in paths
        for line in TAG.sub("", path.read_text(encoding="utf-8")).splitlines()
        if DIALECT.search(line)
    }
    assert found == set()


def test_messages_and_comments() -> None:
    found = {
        f"{named(path)}:{line}: {text}"
        for path in MODULES
        if named(path) != THIS
        for line, text in words(path.read_text(encoding="utf-8"))
        if DIALECT.search(text)
    }
    assert found == set()


def test_names() -> None:
    found = {
        f"{named(path)}: {name}"
        for path in MODULES
        if named(path) != THIS
        for name in names(path.read_text(encoding="utf-8"))
        if DIALECT.search(spoken(name))
    }
    assert found == set()


def names(source: str) -> set[str]:
    """Return the names that a module gives or uses."""
    tokens = tokenize.generate_tokens(StringIO(source).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}


def spoken(name: str) -> str:
    """Return a name as words: ``is_told`` and ``IsTold`` are both ``is told``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace("_", " ").lower()


def test_names_are_read_as_words() -> None:
    assert names("def is_told(x): return x.Door") >= {"is_told", "x", "Door"}
    assert [spoken(name) for name in ("is_told", "IsTold")] == ["is told", "is told"]


def words(source: str) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module that have several words, and its comments."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def test_words_are_seen_wherever_they_are() -> None:
    source = "def f():\n    'is so'\n    g(f'{x} was told', 'told')  # of late"
    assert sorted(words(source)) == [(2, "is so"), (3, " was told"), (3, "# of late")]
    assert all(DIALECT.search(text) for _, text in words(source))
