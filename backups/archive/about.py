"""May the description of a backup in a manifest go into a database and onto pages?

A manifest is bytes that somebody may have changed. Each value that is there must be of its type,
within what its column holds, and free of what a path or a line of a log would misread. What is
not there is for whoever needs it to miss.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from backups.exceptions import ArchiveError

# A label is the name of a folder too.
LABEL = re.compile(r"[^\s/\x00-\x1f\x7f][^/\x00-\x1f\x7f]{0,119}")
# As the names of instances are everywhere: addresses of pages hold them.
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}")
_WORD = re.compile(r"[a-z][a-z0-9_-]{0,19}")
_LINE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]*")
_LONGEST_TEXT = 1 << 24
_BIG = 1 << 63
# A hundred years: no server is locked longer.
_MOST_SECONDS = 3_200_000_000

# Of names and figures in one table.
_MOST_FACTS = 100
# Of the tables of a partial backup.
_MOST_PATTERNS = 200

Rule = Callable[[Any], bool]


def _text(most: int) -> Rule:
    return lambda value: (
        isinstance(value, str) and len(value) <= most and _LINE.fullmatch(value) is not None
    )


def _number(least: int, most: int) -> Rule:
    return lambda value: type(value) is int and least <= value < most


_short = _text(60)
_pattern = _text(300)


def _maybe(rule: Rule) -> Rule:
    return lambda value: value is None or rule(value)


def _is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


def _is_moment(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_length(value: Any) -> bool:
    return type(value) in {int, float} and 0 <= value < _MOST_SECONDS


def _is_pace(value: Any) -> bool:
    """Whether it is a flat table of words and finite numbers, and a short one."""
    return (
        isinstance(value, dict)
        and len(value) <= _MOST_FACTS
        and all(_short(name) and (_short(each) or _is_figure(each)) for name, each in value.items())
    )


def _is_figure(value: Any) -> bool:
    return type(value) in {int, float} and 0 <= value < _BIG


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def is_label(value: Any) -> bool:
    """Whether a text may be the name of a backup."""
    return (
        isinstance(value, str)
        and LABEL.fullmatch(value) is not None
        and _LINE.fullmatch(value) is not None
        and value not in {".", ".."}
    )


def _is_choice(value: Any) -> bool:
    """Whether it is lists of patterns of tables, by short names."""
    return (
        isinstance(value, dict)
        and len(value) <= _MOST_FACTS
        and all(_short(name) and isinstance(each, list) for name, each in value.items())
        and sum(map(len, value.values())) <= _MOST_PATTERNS
        and all(_pattern(each) for patterns in value.values() for each in patterns)
    )


def _texts(most: int) -> Rule:
    """A mapping of short names to texts."""
    line = _text(most)
    return lambda value: (
        isinstance(value, dict)
        and all(_text(200)(name) and line(each) for name, each in value.items())
    )


_RULES: Mapping[str, Rule] = {
    "uuid": _is_uuid,
    "label": is_label,
    "kind": _is_word,
    "engine": _is_word,
    "started_at": _is_moment,
    "ended_at": _is_moment,
    "instance.uuid": _is_uuid,
    "instance.name": lambda value: isinstance(value, str) and bool(_NAME.fullmatch(value)),
    "instance.host": _text(253),
    "instance.port": _number(0, 1 << 16),
    "instance.flavour": _text(10),
    "base.uuid": _is_uuid,
    "consolidated.uuid": _is_uuid,
    "consolidated.label": is_label,
    "consolidated.at": _is_moment,
    "facts.from_lsn": _maybe(_number(0, _BIG)),
    "facts.to_lsn": _maybe(_number(0, _BIG)),
    "facts.binlog_file": _text(255),
    "facts.binlog_position": _maybe(_number(0, _BIG)),
    # Servers break a long set into lines.
    "facts.gtid_executed": lambda value: isinstance(value, str) and len(value) < _LONGEST_TEXT,
    "facts.server_version": _text(80),
    "facts.tool_version": _text(80),
    "facts.lock_time_s": _maybe(_is_length),
    # The engine's own: some hold JSON with lines of its own.
    "facts.more": lambda value: (
        isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
    ),
    "tables": _maybe(_is_choice),
    "pace": lambda value: value is None or _is_pace(value),
    "server.variables": _texts(1 << 16),
    "server.plugins": _texts(1 << 10),
    "server.sources": _texts(1 << 9),
}

_MAY_BE_NOTHING = frozenset({"base", "consolidated", "server"})


def check_about(about: object) -> Mapping[str, Any]:
    """Return the description, or raise ArchiveError naming the value nobody could use."""
    if not isinstance(about, dict):
        raise ArchiveError("manifest does not describe its backup")
    for name, rule in _RULES.items():
        part, _, key = name.rpartition(".")
        fields = about.get(part) if part else about
        if part not in about and part:
            continue
        if fields is None and part in _MAY_BE_NOTHING:
            continue
        if not isinstance(fields, dict):
            raise ArchiveError(f"manifest has {str(fields)[:80]!r} as {part}")
        if key in fields and not rule(fields[key]):
            raise ArchiveError(f"manifest has {str(fields[key])[:80]!r} as {name}")
    return about
