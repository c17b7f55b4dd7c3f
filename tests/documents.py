"""What do the documents contain: fenced blocks, code spans, commands, links?

For the tests that hold documents against the tree, the commands and real servers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "bench" / "README.md",
    *sorted((ROOT / "changelog").rglob("*.md")),
]
_FENCE = "```"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, the language it names, and the headings it is under (the deepest last)."""

    language: str
    text: str
    headings: tuple[str, ...]


def blocks(document: Path) -> Iterator[Block]:
    """Return the fenced blocks of a document in their order."""
    headings: list[str] = []
    fenced: list[str] | None = None
    language = ""
    for line in document.read_text(encoding="utf-8").splitlines():
        if line.startswith(_FENCE):
            if fenced is None:
                fenced, language = [], line.removeprefix(_FENCE).strip()
            else:
                yield Block(language, "\n".join(fenced), tuple(headings))
                fenced = None
        elif fenced is not None:
            fenced.append(line)
        elif heading := re.match(r"(#+) (.*)", line):
            level = len(heading[1])
            headings = [*headings[: level - 1], heading[2]]


def prose(document: Path) -> str:
    """Return a document without its fenced blocks."""
    text = document.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def spans(document: Path) -> list[str]:
    """Return what stands between backticks outside of fenced blocks."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(document))]


def command_lines(document: Path) -> Iterator[str]:
    """Return the commands of fenced blocks, without prompt and comment, continued lines joined."""
    for block in blocks(document):
        for line in block.text.replace("\\\n", " ").splitlines():
            yield re.sub(r"\s+#.*$", "", line.removeprefix("$ ")).strip()
