"""Which tables were chosen for a partial backup? Patterns on schema and table, parsed and matched.

Pure. A pattern is ``schema.table`` with ``*`` and ``?`` as in a shell; a schema alone is all of its
tables. What stands in backticks is taken as it is, dots and stars too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backups.exceptions import BadInput

MOST_PATTERNS = 200
LONGEST_PATTERN = 300
HINT = "Write schema.table, such as shop.* or shop.log_*; names with a dot in backticks."
_TOKEN = re.compile(r"`(?P<quoted>(?:[^`]|``)+)`|(?P<dot>\.)|(?P<plain>[^.`])")


@dataclass(frozen=True, slots=True)
class TablePattern:
    """One pattern, as it was written and as expressions for schema and table."""

    text: str
    schema: str
    table: str

    def matches(self, schema: str, table: str, *, fold: bool) -> bool:
        """Whether it names this table; ``fold`` is how the server treats upper and lower case."""
        flags = re.DOTALL | (re.IGNORECASE if fold else 0)
        return bool(
            re.fullmatch(self.schema, schema, flags) and re.fullmatch(self.table, table, flags)
        )


@dataclass(frozen=True, slots=True)
class TableChoice:
    """What is in a partial backup: all that is included, without what is excluded."""

    # None: every table.
    include: tuple[TablePattern, ...] = ()
    exclude: tuple[TablePattern, ...] = ()

    def __str__(self) -> str:
        return choice_in_words(self.write())

    def chooses(self, schema: str, table: str, *, fold: bool) -> bool:
        """Whether a table is in."""
        return (
            not self.include or _any_matches(self.include, schema, table, fold=fold)
        ) and not _any_matches(self.exclude, schema, table, fold=fold)

    def unmatched(self, names: Sequence[tuple[str, str]], *, fold: bool) -> list[str]:
        """Return the patterns that match none of these schemas and tables."""
        return [
            pattern.text
            for pattern in (*self.include, *self.exclude)
            if not any(pattern.matches(*name, fold=fold) for name in names)
        ]

    def write(self) -> dict[str, list[str]]:
        """Return the JSON that ``read_choice`` reads again."""
        return {
            "include": [pattern.text for pattern in self.include],
            "exclude": [pattern.text for pattern in self.exclude],
        }


def pattern_lines(text: str) -> list[str]:
    """Return the patterns that somebody wrote, one in each line."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def parse_choice(include: Iterable[str], exclude: Iterable[str]) -> TableChoice | None:
    """Return the choice of these patterns, None where there is none; BadInput says which is bad."""
    included, excluded = tuple(include), tuple(exclude)
    if len(included) + len(excluded) > MOST_PATTERNS:
        count = len(included) + len(excluded)
        raise BadInput(f"{count} patterns of tables are more than {MOST_PATTERNS}")
    if not included and not excluded:
        return None
    return TableChoice(
        tuple(parse_pattern(text) for text in included),
        tuple(parse_pattern(text) for text in excluded),
    )


# Any: JSON of a row or of a manifest that was checked.
def read_choice(stored: Mapping[str, Any]) -> TableChoice | None:
    """Return what ``write`` wrote; None for nothing, BadInput for anything else."""
    lists = [stored.get(name) or [] for name in ("include", "exclude")]
    for patterns in lists:
        if not isinstance(patterns, list) or not all(isinstance(text, str) for text in patterns):
            raise BadInput(f"{str(patterns)[:80]!r} is no list of patterns of tables", hint=HINT)
    return parse_choice(*lists)


# Any: as above.
def choice_in_words(stored: Mapping[str, Any]) -> str:
    """Return what a backup has that was stored with its choice; blank where there is none."""
    included, excluded = (", ".join(stored.get(name) or ()) for name in ("include", "exclude"))
    if not included and not excluded:
        return ""
    words = included or "all tables"
    return f"{words} without {excluded}" if excluded else words


def parse_pattern(text: str) -> TablePattern:
    """Parse one pattern; BadInput where it is none."""
    text = text.strip()
    if not text or len(text) > LONGEST_PATTERN or not text.isprintable():
        raise BadInput(f"{text[:80]!r} is no pattern of tables", hint=HINT)
    parts, at = [""], 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise BadInput(f"pattern {text} has a backtick without an end", hint=HINT)
        if token["dot"]:
            parts.append("")
        else:
            parts[-1] += _expression(token)
        at = token.end()
    if len(parts) > 2 or not all(parts):
        raise BadInput(f"pattern {text} is not a schema, a dot and a table", hint=HINT)
    return TablePattern(text, parts[0], parts[1] if len(parts) == 2 else ".*")


def _expression(token: re.Match[str]) -> str:
    if quoted := token["quoted"]:
        return re.escape(quoted.replace("``", "`"))
    return {"*": ".*", "?": "."}.get(token["plain"], re.escape(token["plain"]))


def _any_matches(patterns: Iterable[TablePattern], schema: str, table: str, *, fold: bool) -> bool:
    return any(pattern.matches(schema, table, fold=fold) for pattern in patterns)
