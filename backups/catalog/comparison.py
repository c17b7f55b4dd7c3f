"""What differs between two backups, table by table, and as far as it is known?

Pure. Definitions are compared as texts, bytes by the hashes of their blocks. What one of the two
backups does not have is unknown and never guessed from something else.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.contents import StoredFile
from backups.catalog.block_changes import BlockCount
from backups.definitions.document import Definition, Definitions
from backups.definitions.written import without_next_number, without_passwords

ADDED, REMOVED, CHANGED, UNCHANGED, UNKNOWN = (
    "added",
    "removed",
    "changed",
    "unchanged",
    "unknown",
)
# Neither has a statement of a table.
NONE = "none"
HOWS = (CHANGED, ADDED, REMOVED, UNKNOWN, UNCHANGED)
_TABLES = ("table", "sequence")
TableKey = tuple[str, str]
# By kind, schema and name; None of a backup that was taken without definitions.
Statements = Mapping[tuple[str, str, str], Definition] | None


@dataclass(frozen=True, slots=True)
class ComparedTable:
    """A table of two backups. None is unknown, or that one of them has no such table."""

    schema: str
    name: str
    how: str
    bytes_before: int | None
    bytes_after: int | None
    # One of HOWS: whether its statement differs.
    definition: str
    blocks: BlockCount | None
    # Of the statements, where they differ.
    diff: Sequence[str] = ()

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def changed_blocks(self) -> int | None:
        """How many differ; None where that is unknown of one of them."""
        return None if self.blocks is None or self.blocks.unknown else self.blocks.changed

    @property
    def changed_bytes(self) -> int | None:
        return None if self.changed_blocks is None else self.changed_blocks * BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class ComparedDefinition:
    """A view, routine, trigger, event or schema whose definition differs."""

    kind: str
    name: str
    how: str
    diff: Sequence[str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All tables of two backups, what changed first, and definitions of anything else."""

    tables: Sequence[ComparedTable]
    definitions: Sequence[ComparedDefinition]
    # Why something is unknown, a sentence each; empty: nothing is for a reason of its own.
    unknown_because: Sequence[str]

    @property
    def counts(self) -> Mapping[str, int]:
        found = Counter(table.how for table in self.tables)
        return {how: found[how] for how in HOWS}


@dataclass(frozen=True, slots=True)
class ComparedSide:
    """What is known of one of the two backups."""

    files: Mapping[TableKey, Sequence[StoredFile]]
    # None where it was taken without any.
    definitions: Definitions | None
    # Whether it has chosen tables only: another one may have been there all the same.
    chosen: bool = False


def compare_sides(
    before: ComparedSide,
    after: ComparedSide,
    blocks: Mapping[TableKey, BlockCount],
    unknown_because: Sequence[str],
) -> Comparison:
    """Compare two backups; ``blocks`` has the tables whose blocks could be compared."""
    sides = [_Side(side, _statements(side.definitions)) for side in (before, after)]
    keys = {key for side in sides for key in side.tables()}
    tables = [_table(key, sides, blocks.get(key)) for key in sorted(keys)]
    tables.sort(key=lambda table: (HOWS.index(table.how), -(table.changed_blocks or 0)))
    others = _others(*sides)
    return Comparison(tables, others, unknown_because)


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two backups, with its statements by kind and name; None without any."""

    side: ComparedSide
    statements: Statements

    def tables(self) -> set[TableKey]:
        """Return its tables: those that have files, and those that are defined."""
        defined = {(key[1], key[2]) for key in self.statements or () if key[0] == "table"}
        return defined | set(self.side.files)

    @property
    def missing(self) -> bool:
        """Whether something that it has may be undefined."""
        found = self.side.definitions
        return found is None or bool(found.missing) or self.side.chosen

    def sql(self, key: TableKey) -> str | None:
        found = (self.statements or {}).get(("table", *key))
        return None if found is None else without_next_number(found.sql)

    def size(self, key: TableKey) -> int | None:
        """Return the size of a table's files; None where it has none of its own."""
        files = self.side.files.get(key)
        return None if files is None else sum(file.size for file in files)

    def has(self, key: TableKey, *, shared: bool) -> bool | None:
        """Return whether it has a table; None where the instance may have had it.

        ``shared``: the table has no files, so it may be in a tablespace of several.
        """
        if key in self.side.files or self.sql(key) is not None:
            return True
        return None if self.side.chosen or (shared and self.missing) else False


def _table(key: TableKey, sides: Sequence[_Side], blocks: BlockCount | None) -> ComparedTable:
    before, after = sides
    definition, diff = _definition(before, after, key)
    old, new = before.size(key), after.size(key)
    shared = old is None and new is None
    there = [each.has(key, shared=shared) for each in sides]
    how = _how(there, [old, new], blocks, definition)
    return ComparedTable(*key, how, old, new, definition, blocks, diff)


def _how(
    there: Sequence[bool | None],
    sizes: Sequence[int | None],
    blocks: BlockCount | None,
    definition: str,
) -> str:
    if not all(there):
        if None in there:
            return UNKNOWN
        return REMOVED if there[0] else ADDED
    differs = definition == CHANGED or sizes[0] != sizes[1]
    if differs or (blocks is not None and blocks.changed):
        return CHANGED
    same = definition in (UNCHANGED, NONE) and blocks is not None and not blocks.unknown
    return UNCHANGED if same else UNKNOWN


def _statements(definitions: Definitions | None) -> Statements:
    if definitions is None:
        return None
    return {(_kind(each), each.schema, each.name): each for each in definitions.objects}


def _kind(definition: Definition) -> str:
    return "table" if definition.kind in _TABLES else definition.kind


def _definition(before: _Side, after: _Side, key: TableKey) -> tuple[str, Sequence[str]]:
    """Return whether a table's definition differs, and how."""
    old, new = before.sql(key), after.sql(key)
    if old is None or new is None:
        # The tables of a full-text index have none.
        none = all(side.statements is not None and not side.missing for side in (before, after))
        return (NONE if none and old is new else UNKNOWN), ()
    return (UNCHANGED, ()) if old == new else (CHANGED, diff_of(old, new))


def _others(before: _Side, after: _Side) -> Sequence[ComparedDefinition]:
    """Compare what is no table; nothing where one of the backups has no definitions."""
    old, new = before.statements, after.statements
    if old is None or new is None:
        return ()
    found = []
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        # What one of them has not read may have been there.
        incomplete = (a is None and before.missing) or (b is None and after.missing)
        same = a is not None and b is not None and (a.sql, a.sql_mode) == (b.sql, b.sql_mode)
        if key[0] == "table" or same:
            continue
        how = UNKNOWN if incomplete else ADDED if a is None else REMOVED if b is None else CHANGED
        named = a or b
        assert named is not None
        diff = diff_of(a.sql, b.sql) if a and b else ()
        found.append(ComparedDefinition(named.kind, named.full_name, how, diff))
    return found


def diff_of(before: str, after: str) -> Sequence[str]:
    """Return a unified diff of two statements, without passwords and without its heads."""
    old, new = (without_passwords(sql).splitlines() for sql in (before, after))
    found = list(difflib.unified_diff(old, new, lineterm="", n=2))[2:]
    # What differs was not shown: a password.
    return found or ("the definitions differ in a password",)
