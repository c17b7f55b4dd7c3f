"""Do the documents name what there is: paths, links, modules, settings, messages?"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.urls import Resolver404, resolve

from alerts.states import ALERT_MOVES
from backups.states import (
    APPROVAL_MOVES,
    COPY_MOVES,
    DELETION_MOVES,
    JOB_MOVES,
    OCCURRENCE_MOVES,
    STAGE_MOVES,
)
from tests.documents import DOCUMENTS, ROOT, blocks, prose, spans
from tests.test_architecture import TREE, named, parsed

FILES = {named(path) for path in TREE}
FOLDERS = {parent.as_posix() for name in FILES for parent in Path(name).parents}
TOP = {name.partition("/")[0] for name in FILES if "/" in name}
# A template and a static file are named as a template names them.
BASES = ("", "templates/", "static/")
SOURCES = (".py", ".sh", ".html", ".css", ".js", ".toml", ".md", ".svg", ".yaml")
# Made by Mooring or by the reader, and not part of the tree.
NOT_OURS = {"fleet.yaml", "hooks.toml", "media.toml"}
by_name = pytest.mark.parametrize("document", DOCUMENTS, ids=named)


def is_path(span: str) -> bool:
    """Whether a span looks like a file or folder of the tree."""
    if not re.fullmatch(r"[\w./*<>-]+", span) or span in NOT_OURS or span.startswith(("/", "-")):
        return False
    in_tree = span.partition("/")[0] in TOP and "/" in span
    return in_tree or (span.endswith(SOURCES) and not span.startswith("."))


def exists(span: str) -> bool:
    wanted = span.rstrip("/")
    for base in BASES:
        pattern = re.escape(base + wanted).replace(r"\*", "[^/]*")
        pattern = re.sub(r"<\w+>", "[^/]+", pattern)
        names = FOLDERS if span.endswith("/") else FILES | FOLDERS
        if any(re.fullmatch(pattern, name) for name in names):
            return True
    return False


@by_name
def test_every_path_is_there(document: Path) -> None:
    assert [span for span in spans(document) if is_path(span) and not exists(span)] == []


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as they are made of them."""
    found: Counter[str] = Counter()
    made = set()
    for heading in re.findall(r"^#+ (.*)$", prose(document), re.MULTILINE):
        anchor = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        made.add(f"{anchor}-{found[anchor]}" if found[anchor] else anchor)
        found[anchor] += 1
    return made


@by_name
def test_every_link_leads_somewhere(document: Path) -> None:
    lost = []
    links = re.findall(r"\]\(([^)]+)\)", prose(document))
    pictures = re.findall(r'(?:src|srcset)="([^"]+)"', prose(document))
    for link in [*links, *pictures]:
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


def read_settings() -> set[str]:
    """Return the environment variables that are named in the code."""
    code = [path for path in TREE if path.suffix in (".py", ".sh") or path.name == "mooring"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in code)
    names = set(re.findall(r"\bMOORING_[A-Z0-9_]*[A-Z0-9]\b", text))
    # A secret is read from the file that this one names, where it is set.
    return names | {f"{name}_FILE" for name in names if name.endswith("_KEY")}


@by_name
def test_every_setting_is_read(document: Path) -> None:
    written = set(re.findall(r"\bMOORING_[A-Z0-9_]*[A-Z0-9]\b", document.read_text("utf-8")))
    assert written - read_settings() == set()


def test_every_setting_is_documented() -> None:
    settings = ("monitor/settings.py", "monitor/environment.py", "scripts/processes.py")
    text = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in settings)
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    read = set(re.findall(r'"(MOORING_[A-Z0-9_]+)"', text))
    assert {name for name in read if f"| `{name}`" not in operations} == set()


@by_name
def test_every_module_that_is_run_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    modules = re.findall(r"-m ((?:scripts|bench)\.\w+)", text)
    assert [name for name in modules if f"{name.replace('.', '/')}.py" not in FILES] == []


def test_a_word_has_one_row() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]*) \|", glossary, re.MULTILINE)
    words = [word for row in rows for word in re.findall(r"(?:\*\*|(?<!\*)\*)([^*]+)\*", row)]
    assert len(words) > 70
    assert {word: times for word, times in Counter(words).items() if times > 1} == {}


def test_every_change_is_listed() -> None:
    listed = re.findall(r"\(changelog/unreleased/([\w.-]+)\)", (ROOT / "CHANGELOG.md").read_text())
    there = [path.name for path in (ROOT / "changelog" / "unreleased").glob("*.md")]
    assert sorted(listed) == sorted(there)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "changelog" / "unreleased").glob("*.md")), ids=lambda path: path.name
)
def test_a_change_says_of_which_type_it_is(path: Path) -> None:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    assert re.match(r"# (Feature|Enhancement|Fix|Security|Change): \S", first), first


@cache
def texts() -> str:
    """Return every text in the code, with a mark where a value is put in."""
    return "\n".join(
        text
        for path in TREE
        if path.suffix == ".py" and path.parts[len(ROOT.parts)] in ("backups", "monitor", "scripts")
        for text in _texts(parsed(path))
    ) + "".join(
        path.read_text(encoding="utf-8") for path in TREE if path.suffix in (".html", ".sh")
    )


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def troubles() -> list[str]:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = text.partition("## Troubleshooting")[2]
    return re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)


@pytest.mark.parametrize("message", troubles())
def test_a_message_is_one_that_mooring_writes(message: str) -> None:
    """What differs is an ellipsis, a word in capitals, a figure, or follows a colon."""
    parts = [part.strip(" ,") for part in re.split(r"…|\b[A-Z]+\b|\b\d+\b|: ", message)]
    missing = [part for part in parts if len(part) > 3 and part not in texts()]
    assert missing == []


def test_fences_of_commands_are_marked() -> None:
    """What is run by the live tests is marked ``sh``; what is shown is not."""
    for name in ("docs/restore-by-hand.md", "docs/operations.md"):
        for block in blocks(ROOT / name):
            assert block.language in ("sh", "sql", ""), block


def test_every_room_has_its_row() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = architecture.partition("## Rooms")[2].partition("\n## ")[0]
    named_rooms = set(re.findall(r"`((?:backups|alerts|monitor)/\w+/)`", table))
    rooms = {
        f"{top}/{parts[1]}/"
        for name in FILES
        if (parts := name.split("/"))[0] in ("backups", "alerts", "monitor")
        and (top := parts[0])
        and len(parts) > 2
        and name.endswith(".py")
    }
    assert rooms - named_rooms == {
        "backups/migrations/",
        "alerts/migrations/",
        "monitor/migrations/",
    }


@by_name
def test_every_address_of_the_site_is_one(document: Path) -> None:
    addresses = [span for span in spans(document) if re.fullmatch(r"/(?:[a-z-]+/)+|/healthz", span)]
    assert [address for address in addresses if not is_address(address)] == []


def is_address(address: str) -> bool:
    try:
        resolve(address)
    except Resolver404:
        return False
    return True


def test_the_picture_has_the_layers_of_the_contract() -> None:
    (picture,) = [
        block.text
        for block in blocks(ROOT / "docs" / "architecture.md")
        if block.language == "mermaid"
    ]
    drawn = re.findall(r"subgraph layer\d+.*\n.*\n +(.*)\n", picture)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [
        one
        for one in settings["tool"]["importlinter"]["contracts"]
        if one.get("containers") == ["backups"]
    ]
    assert [layer.replace("~~~", "|") for layer in drawn] == contract["layers"]


# Any: each table has statuses of its own.
MOVES: Mapping[str, Mapping[Any, Iterable[Any]]] = {
    "job": JOB_MOVES,
    "stage": STAGE_MOVES,
    "occurrence": OCCURRENCE_MOVES,
    "copy": COPY_MOVES,
    "deletion": DELETION_MOVES,
    "approval": APPROVAL_MOVES,
    "alert": ALERT_MOVES,
}


@pytest.mark.parametrize("row", MOVES)
def test_the_moves_of_a_status_are_those_of_the_table(row: str) -> None:
    (block,) = [
        block.text
        for block in blocks(ROOT / "docs" / "architecture.md")
        if block.headings[-1] == "States"
    ]
    (lines,) = re.findall(rf"^{row} .*\n?(?: .*\n?)*", block, re.MULTILINE)
    drawn = set()
    # Several chains may stand in a line, each a status or alternatives, an arrow, and so on.
    for chain in re.split(r"  +|\n", re.sub(r"\([^)]*\)", "  ", lines.removeprefix(row))):
        links = [link.strip().split(" | ") for link in chain.split(" → ")]
        drawn |= {(a, b) for old, new in pairwise(links) for a in old for b in new}
    assert drawn == {(str(old), str(new)) for old, moves in MOVES[row].items() for new in moves}
