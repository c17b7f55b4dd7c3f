"""Which tables of a MariaDB does a choice match, how large are they, what do they need?

Names are also read as the server writes them in file names: the copying tool compares those. No
table is opened for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.engines.base import Login
from backups.instances.connection import connect, fetch_rows
from backups.table_names.choice import TableChoice

# The schemas of the server itself: no server starts without them.
SYSTEM_SCHEMAS = ("mysql", "sys", "performance_schema")
_SYSTEM = "('mysql', 'sys', 'performance_schema', 'information_schema')"
_FOLDS = "SELECT @@lower_case_table_names <> 0 AS folds"
_TABLES = f"""
    SELECT TABLE_SCHEMA AS sch, TABLE_NAME AS name, TABLE_TYPE AS type, ENGINE AS engine,
           HEX(CONVERT(TABLE_SCHEMA USING filename)) AS sch_file,
           HEX(CONVERT(TABLE_NAME USING filename)) AS name_file
    FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN {_SYSTEM}
    ORDER BY TABLE_SCHEMA, TABLE_NAME
"""  # noqa: S608 - constants
# A trigger has a file of its own, beside that of its table.
_TRIGGERS = f"""
    SELECT HEX(CONVERT(TRIGGER_SCHEMA USING filename)) AS sch_file,
           HEX(CONVERT(TRIGGER_NAME USING filename)) AS name_file,
           HEX(CONVERT(EVENT_OBJECT_TABLE USING filename)) AS table_file
    FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA NOT IN {_SYSTEM}
"""  # noqa: S608
_IN_INNODB = "SELECT TABLE_ID AS id, NAME AS name FROM information_schema.INNODB_SYS_TABLES"
_SIZES = "SELECT NAME AS name, FILE_SIZE AS size FROM information_schema.INNODB_SYS_TABLESPACES"
_FOREIGN = "SELECT FOR_NAME AS child, REF_NAME AS parent FROM information_schema.INNODB_SYS_FOREIGN"
# The name of the file db.opt, without its ending.
_OPTIONS = "db"
# The tool reads a line of its list into so many bytes, with the end of the line.
LONGEST_ENTRY = 384
# How InnoDB begins the name of what belongs to a full-text index, before the number of its table.
_FULL_TEXT = "FTS_"


@dataclass(frozen=True, slots=True)
class ServerTable:
    """A table or view, and its name as in the names of its files: schema/table.

    Of a MySQL the path of its general tablespace, if it is in one; blank where it has no file.
    """

    schema: str
    name: str
    file: str
    engine: str = ""

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class ChosenTables:
    """What a choice matches on a server, at one moment."""

    choice: TableChoice
    tables: tuple[ServerTable, ...]
    # Patterns that match nothing.
    unmatched: tuple[str, ...]
    # A table that is in and the parent of its foreign key that is not: "shop.orders → shop.people".
    cut: tuple[str, ...]
    # Names for the copying tool, as in file names: everything that the tables need.
    entries: tuple[str, ...]
    left_out: int
    # Of InnoDB's files: those of the tables, and those that every copy has.
    size_bytes: int
    system_bytes: int
    # Of a clone: what the donor sends, chosen or not, and hidden tables of those that are not in.
    sent_bytes: int | None = None
    hidden_others: tuple[str, ...] = ()

    @property
    def too_long(self) -> list[str]:
        """Names for the tool that it does not take: it would end in the middle of the job."""
        if self.sent_bytes is not None:
            # A clone reads no such list.
            return []
        return [entry for entry in self.entries if len(entry) > LONGEST_ENTRY]

    @property
    def schemas(self) -> int:
        return len({table.schema for table in self.tables})


def fetch_chosen(login: Login, choice: TableChoice) -> ChosenTables:
    """Match a choice against a MariaDB; InstanceUnreachable where it does not answer."""
    with closing(connect(login)) as connection:
        fold = bool(fetch_rows(connection, _FOLDS)[0]["folds"])
        listed = [_table(row) for row in fetch_rows(connection, _TABLES)]
        chosen = [each for each in listed if choice.chooses(each.schema, each.name, fold=fold)]
        names = [(each.schema, each.name) for each in listed]
        files = {each.file for each in chosen}
        numbers = {row["name"]: row["id"] for row in fetch_rows(connection, _IN_INNODB)}
        return ChosenTables(
            choice,
            tuple(chosen),
            tuple(choice.unmatched(names, fold=fold)),
            tuple(_cut(connection, {each.file: each.full_name for each in listed}, files)),
            tuple(
                sorted(
                    files
                    | _schema_options(files, {each.file for each in listed})
                    | _triggers(connection, files)
                    | _full_text(numbers, files)
                )
            ),
            len(listed) - len(chosen),
            *_sizes(connection, files),
        )


def _table(row: Mapping[str, str]) -> ServerTable:
    file = f"{_decoded(row['sch_file'])}/{_decoded(row['name_file'])}"
    return ServerTable(row["sch"], row["name"], file, row["engine"] or row["type"].lower())


def _decoded(digits: str) -> str:
    return bytes.fromhex(digits).decode("ascii")


def _schema_options(files: set[str], listed: set[str]) -> set[str]:
    """Return the files with the character set of each schema, unless a table has their name."""
    options = {f"{file.partition('/')[0]}/{_OPTIONS}" for file in files}
    return options - (listed - files)


def _triggers(connection: Connection[DictCursor], files: set[str]) -> set[str]:
    return {
        f"{_decoded(row['sch_file'])}/{_decoded(row['name_file'])}"
        for row in fetch_rows(connection, _TRIGGERS)
        if f"{_decoded(row['sch_file'])}/{_decoded(row['table_file'])}" in files
    }


def _full_text(numbers: Mapping[str, int], files: set[str]) -> set[str]:
    """Return the hidden tables of the full-text indexes of these tables."""
    wanted = {numbers[file] for file in files if file in numbers}
    found = set()
    for name in numbers:
        digits = name.partition("/")[2].removeprefix(_FULL_TEXT).partition("_")[0]
        if f"/{_FULL_TEXT}{digits}_" in name and _number(digits) in wanted:
            found.add(name)
    return found


def _number(digits: str) -> int | None:
    try:
        return int(digits, 16)
    except ValueError:
        return None


def _cut(
    connection: Connection[DictCursor], names: Mapping[str, str], files: set[str]
) -> Sequence[str]:
    return sorted(
        f"{names[row['child']]} → {names.get(row['parent'], row['parent'])}"
        for row in fetch_rows(connection, _FOREIGN)
        if row["child"] in files and row["parent"] not in files
    )


def _sizes(connection: Connection[DictCursor], files: set[str]) -> tuple[int, int]:
    chosen = system = 0
    for row in fetch_rows(connection, _SIZES):
        schema, slash, table = row["name"].partition("/")
        if not slash or schema in SYSTEM_SCHEMAS:
            system += row["size"] or 0
        elif f"{schema}/{table.partition('#')[0]}" in files:
            chosen += row["size"] or 0
    return chosen, system
