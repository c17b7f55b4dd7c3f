"""Which tables are quiet, and has any of them been changed since? Pure: marks in, names out.

A table is quiet if it has two files, its definition and one InnoDB tablespace, and neither of them
changed for a while. Its copy is right when the engine has read its checkpoint C after the files
were marked, and they still have their marks then: every change up to C was in the files before C
was written, so nothing was written meanwhile, and the copy has all of it. Later changes are in the
redo log that the engine copies. What is in no redo log (definitions, and which file is the table's)
must not change until the engine blocks DDL.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from backups.innodb.names import decode_name

DEFINITION, ROWS = ".frm", ".ibd"
# The server's own: small, and written whenever it likes.
SERVER_SCHEMAS = frozenset({"mysql", "sys", "performance_schema", "information_schema"})
# Names as files, of which nothing has a meaning in a regular expression but the dollar sign.
_PLAIN = re.compile(r"[A-Za-z0-9_@$]+")
# Auxiliary tables of full-text indexes have no definition; this keeps them out by name as well.
_FULL_TEXT = "FTS_"
# One word of a command line has 128 KiB at most.
MOST_WORD_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class FileMark:
    """What tells two states of a file apart."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileMark:
        return cls(
            status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        )

    @property
    def changed_ns(self) -> int:
        """When the file was last changed, by either of its times."""
        return max(self.mtime_ns, self.ctime_ns)


@dataclass(frozen=True, slots=True)
class TableLook:
    """What a schema's folder shows of a name at one moment: marks of regular files by suffix."""

    files: Mapping[str, FileMark]
    # Of the tablespace, by its first page; None if that was not read.
    space_id: int | None = None
    # Of the tablespace's inode, which tells two files apart that had its number one after the
    # other; None if that was not read, or the file system has none.
    generation: int | None = None

    @property
    def size(self) -> int:
        return sum(mark.size for mark in self.files.values())


# By the name of the table as the tool has it: schema and table as files, with a dot between.
Looks = Mapping[str, TableLook]


def choose_quiet(
    looks: Looks, *, now_ns: int, age_seconds: int, busy: Sequence[str] = ()
) -> list[str]:
    """Return the quiet tables, the largest first, as many as one pattern can name."""
    before = now_ns - age_seconds * 1_000_000_000
    quiet = [
        name
        for name, look in looks.items()
        if _is_simple(name, look)
        and all(mark.changed_ns < before for mark in look.files.values())
        and not _is_named(name, busy)
    ]
    return _as_fit(sorted(quiet, key=lambda name: (-looks[name].size, name)))


def find_changed(before: Looks, now: Looks) -> frozenset[str]:
    """Return the tables of ``before`` of which anything is different now."""
    return frozenset(
        name
        for name, look in before.items()
        if (latest := now.get(name)) is None or latest.files != look.files
    )


def find_replaced(before: Looks, now: Looks) -> frozenset[str]:
    """Return the tables of ``before`` that are not the same tables now; rows may differ."""
    return frozenset(name for name, look in before.items() if _is_other(look, now.get(name)))


def exclusion(names: Iterable[str]) -> str:
    """Return the extended regular expression that fits these tables, and nothing else."""
    schemas: dict[str, list[str]] = {}
    for name in sorted(names):
        schema, _, table = name.replace("$", "[$]").partition(".")
        schemas.setdefault(schema, []).append(table)
    parts = (f"{schema}[.]({'|'.join(tables)})" for schema, tables in schemas.items())
    return f"^({'|'.join(parts)})$"


def _is_simple(name: str, look: TableLook) -> bool:
    """Whether a table has these two files and no others, such as triggers, links, partitions."""
    schema, _, table = name.partition(".")
    plain = _PLAIN.fullmatch(schema) and _PLAIN.fullmatch(table)
    ours = schema not in SERVER_SCHEMAS and not table.startswith(_FULL_TEXT)
    return bool(plain) and ours and look.files.keys() == {DEFINITION, ROWS}


def _is_named(name: str, patterns: Sequence[str]) -> bool:
    schema, _, table = name.partition(".")
    shown = f"{decode_name(schema)}.{decode_name(table)}"
    return any(fnmatchcase(shown, pattern) for pattern in patterns)


def _is_other(before: TableLook, now: TableLook | None) -> bool:
    if now is None or now.files.keys() != before.files.keys():
        return True
    rows, latest = before.files[ROWS], now.files[ROWS]
    return (
        now.files[DEFINITION] != before.files[DEFINITION]
        or (latest.device, latest.inode) != (rows.device, rows.inode)
        or now.space_id != before.space_id
        # A new file may have got the inode number of the old one. IMPORT TABLESPACE keeps the id
        # of the tablespace too, and writes no redo: only rows that nobody wrote need no more.
        or (latest != rows and (now.generation is None or now.generation != before.generation))
    )


def _as_fit(names: Sequence[str]) -> list[str]:
    """Return the first ones, as many as ``exclusion`` can have."""
    fitting, length = [], 0
    for name in names:
        # Each may be the only one of its schema; a dollar sign takes three characters.
        length += len(name) + 2 * name.count("$") + 8
        if length > MOST_WORD_BYTES:
            break
        fitting.append(name)
    return fitting
