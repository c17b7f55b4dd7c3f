"""Do the commands in the documents exist, with the options and words they are given?

Commands that need a fleet, a second machine or a terminal are not run here, but parsed by the
very parsers that would parse them. What can be run is run by ``tests/live/test_documents.py``.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandError, CommandParser

from scripts.processes import children
from tests.documents import DOCUMENTS, ROOT, command_lines, spans
from tests.test_architecture import TREE, named

OURS = {
    path.stem
    for path in TREE
    if path.parent.name == "commands" and path.parent.parent.name == "management"
} - {"__init__"}
# Of Django and django-axes, and named in the documents.
OTHERS = {"migrate", "createsuperuser", "changepassword", "axes_reset", "help"}
ENTRY = (ROOT / "mooring").read_text(encoding="utf-8")
ASSIGNMENT = re.compile(r"^[A-Z_]+=\S*$")


def parser_of(command: str) -> CommandParser:
    app = get_commands()[command]
    assert isinstance(app, str)
    return load_command_class(app, command).create_parser("manage.py", command)


def options_of(parser: CommandParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


def mooring_lines(document: Path) -> Iterator[list[str]]:
    """Return the words of each ``./mooring`` command of a document."""
    for line in command_lines(document):
        if "./mooring" not in line:
            continue
        words = shlex.split(line.partition(" > ")[0])
        while words and ASSIGNMENT.match(words[0]):
            words.pop(0)
        if words and words[0] == "./mooring":
            yield words[1:]


LINES = [
    pytest.param(words, id=f"{named(document)}: {' '.join(words)}")
    for document in DOCUMENTS
    for words in mooring_lines(document)
]


def test_lines_were_found() -> None:
    assert len(LINES) > 15


@pytest.mark.parametrize("words", LINES)
def test_a_fenced_command_is_one(words: list[str]) -> None:
    name, *rest = words
    assert re.search(rf"^{name}\)$", ENTRY, re.MULTILINE), name
    if name == "manage":
        refuse_unknown(rest[0])
        parser_of(rest[0]).parse_args(rest[1:])
    elif name == "run":
        assert rest[0] in {child.name for child in children({})}
    elif name == "up":
        assert rest == []


def refuse_unknown(command: str) -> None:
    assert command in OURS | OTHERS, command


def test_a_wrong_command_is_found() -> None:
    with pytest.raises(AssertionError):
        refuse_unknown("backupall")
    with pytest.raises(CommandError, match="--compress"):
        parser_of("takebackup").parse_args(["shop-1", "--compress"])


def option_spans() -> list[tuple[str, str, str]]:
    """Return document, command and option of each option a code span gives a command."""
    found = []
    for document in DOCUMENTS:
        for span in [*spans(document), *command_lines(document)]:
            words = re.findall(r"[\w./:-]+", span.removeprefix("./mooring manage "))
            if words and words[0] in OURS:
                found += [(named(document), words[0], w) for w in words if w.startswith("--")]
    return sorted(set(found))


@pytest.mark.parametrize(("document", "command", "option"), option_spans())
def test_a_named_option_exists(document: str, command: str, option: str) -> None:
    assert option in options_of(parser_of(command))


def test_every_command_is_in_operations_with_its_options() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert {command for command in OURS if f"`{command}" not in text} == set()


def test_the_demo_has_the_options_that_are_named() -> None:
    shown = subprocess.run(
        ["bash", "mooring", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    written = {
        option
        for document in DOCUMENTS
        for words in mooring_lines(document)
        if words[0] in ("demo", "test")
        for option in words
        if option.startswith("--")
    }
    assert written
    assert {option for option in written if option not in shown} == set()


def test_what_is_run_from_the_virtualenv_is_installed() -> None:
    needed = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    package = {"lint-imports": "import-linter"}
    for document in DOCUMENTS:
        for program in re.findall(
            r"\.mooring/venv/bin/([\w-]+)", document.read_text(encoding="utf-8")
        ):
            assert program == "python" or f"\n{package.get(program, program)}==" in needed


def test_a_program_that_is_run_as_a_module_has_the_options_it_is_given() -> None:
    for document in DOCUMENTS:
        for line in [*command_lines(document), *spans(document)]:
            # The words up to the next program belong to this one.
            for module, words in re.findall(r"-m ((?:bench|scripts)\.\w+)((?:(?! -m ).)*)", line):
                source = (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
                for option in re.findall(r"--[a-z-]+", words):
                    assert f'"{option}"' in source, line
