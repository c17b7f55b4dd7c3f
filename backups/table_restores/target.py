"""Which server are tables restored into, and what of it speaks against that?

Asked before anything is made there: every reason to refuse is one of these, or an error of a table
that has a temporary name.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.engines import ENGINE_FOR
from backups.exceptions import BadInput, Refused
from backups.instances.connection import connect, fetch_rows, login_of
from backups.instances.data_folder import data_folders_here
from backups.instances.facts import ServerFacts, probe
from backups.instances.grants import NEEDED_TO_MAKE_TABLES, Grants, grant_statement
from backups.models import Instance
from backups.opened_tables.part import SYSTEM_SCHEMAS
from backups.programs.compatibility import Version, parse_version
from backups.table_names.names import MOST_NAME_CHARACTERS, TableName, quoted
from backups.table_restores.dead_statements import end_statements

if TYPE_CHECKING:
    from collections.abc import Iterator

# Statements on a large table may take hours, and say nothing meanwhile.
PATIENCE_SECONDS = 24 * 3600
LOCK_WAIT_SECONDS = 60
_TEMPORARY = "mooring"
_OBJECTS = """
    SELECT TABLE_NAME AS name, TABLE_TYPE AS kind FROM information_schema.TABLES
    WHERE TABLE_SCHEMA = %s
"""
_FOLDS = "SELECT @@GLOBAL.lower_case_table_names <> 0 AS folds"
_CHILDREN = """
    SELECT TABLE_SCHEMA AS sch, TABLE_NAME AS name FROM information_schema.KEY_COLUMN_USAGE
    WHERE REFERENCED_TABLE_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s
"""
_CONSTRAINTS = """
    SELECT CONSTRAINT_NAME AS name FROM information_schema.TABLE_CONSTRAINTS
    WHERE CONSTRAINT_SCHEMA = %s AND CONSTRAINT_TYPE IN ('FOREIGN KEY', 'CHECK')
"""


@dataclass(frozen=True, slots=True)
class NewTable:
    """A table to be made in an instance."""

    # In the backup.
    table: TableName
    # Until it is whole, and afterwards.
    temporary: TableName
    name: TableName
    # Where the present table of that name goes; None: there is none.
    kept_as: TableName | None = None


@dataclass(frozen=True, slots=True)
class TargetServer:
    """A running server that tables are restored into."""

    instance: Instance
    facts: ServerFacts
    # Of its files on this host; blank where they are on another, or cannot be written from here.
    folder: str
    new_tables: Sequence[NewTable]
    # Names of constraints that each schema has.
    constraints: Mapping[str, frozenset[str]]

    @property
    def version(self) -> Version | None:
        return parse_version(self.facts.version)


def temporary_name(schema: str, token: str, number: int) -> TableName:
    """Return the name of a table that is not whole yet: nobody else makes such a one."""
    return TableName(schema, f"{_TEMPORARY}_{token}_{number}")


# Any: cursors of every kind.
@contextmanager
def connected(instance: Instance) -> Iterator[Connection[DictCursor]]:
    """Connect to an instance for statements that may take long."""
    with closing(connect(login_of(instance), read_timeout=PATIENCE_SECONDS)) as connection:
        fetch_rows(connection, f"SET SESSION lock_wait_timeout = {LOCK_WAIT_SECONDS}")
        yield connection


def named_instance(name: str) -> Instance:
    """Return the instance to restore into, or raise BadInput."""
    instance = Instance.objects.filter(name=name).first()
    if instance is None:
        raise BadInput(f"no instance is called {name}")
    return instance


def examine_target(
    instance: Instance,
    engine: str,
    names: Mapping[TableName, TableName],
    *,
    token: str,
    replace: bool,
    today: date,
) -> TargetServer:
    """Ask the server, or raise Refused with the reason; nothing is changed there."""
    with connected(instance) as connection:
        facts = probe(connection)
        if ENGINE_FOR.get(facts.flavour) != engine:
            raise Refused(
                f"{instance.name} is {facts.flavour or 'an unknown product'}, and the backup is of "
                "the other product: tables cannot be restored into it",
                hint="Use --sql FILE, and adapt the definition by hand.",
            )
        schemas = sorted({new.schema for new in names.values()})
        objects = {schema: _objects(connection, instance, schema) for schema in schemas}
        _refuse_unprivileged(facts.grants, instance, schemas)
        folds = bool(fetch_rows(connection, _FOLDS)[0]["folds"])
        new_tables = tuple(
            _new_table(number, table, name, objects[name.schema], token, replace, today, folds)
            for number, (table, name) in enumerate(names.items(), 1)
        )
        _refuse_referenced(connection, new_tables)
        constraints = {
            schema: frozenset(
                str(row["name"]) for row in fetch_rows(connection, _CONSTRAINTS, (schema,))
            )
            for schema in schemas
        }
    folder = next(iter(data_folders_here(instance, facts)), "")
    writable = bool(folder) and os.access(folder, os.W_OK | os.X_OK)
    return TargetServer(instance, facts, folder if writable else "", new_tables, constraints)


def drop_temporaries(instance: Instance, schemas: Collection[str], token: str) -> list[TableName]:
    """End what a job still does there, and drop its tables that did not become whole.

    Files that such a table had in the server's folder go as well. Returns the names of the tables.
    """
    dropped = []
    with connected(instance) as connection:
        prefix = f"{_TEMPORARY}_{token}_"
        end_statements(connection, instance.user, prefix)
        for schema in schemas:
            for name in _present(connection, schema):
                if not name.startswith(prefix):
                    continue
                table = TableName(schema, name)
                fetch_rows(connection, "SET SESSION foreign_key_checks = 0")
                fetch_rows(connection, f"DROP TABLE IF EXISTS {table.quoted}")
                dropped.append(table)
    return dropped


def _present(connection: Connection[DictCursor], schema: str) -> dict[str, str]:
    rows = fetch_rows(connection, _OBJECTS, (schema,))
    return {str(row["name"]): str(row["kind"]) for row in rows}


def _objects(connection: Connection[DictCursor], instance: Instance, schema: str) -> dict[str, str]:
    """Return the tables and views of a schema by name, or raise Refused if there is no such one."""
    if schema.lower() in SYSTEM_SCHEMAS:
        raise Refused(f"schema {schema} is the server's own: nothing is restored into it")
    known = "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s"
    if not fetch_rows(connection, known, (schema,)):
        raise Refused(
            f"{instance.name} has no schema {schema}",
            hint=f"Create it: CREATE DATABASE {quoted(schema)}; or name another one with --as.",
        )
    return _present(connection, schema)


def _new_table(
    number: int,
    table: TableName,
    name: TableName,
    objects: Mapping[str, str],
    token: str,
    replace: bool,
    today: date,
    folds: bool,
) -> NewTable:
    temporary = temporary_name(name.schema, token, number)
    if temporary.name in objects:
        raise Refused(f"{temporary} exists already: an earlier attempt is not cleared up yet")
    # Some servers take two spellings for the same name.
    same = {each.lower() if folds else each: each for each in objects}
    present = same.get(name.name.lower() if folds else name.name)
    if present is None:
        return NewTable(table, temporary, name)
    if objects[present] != "BASE TABLE":
        raise Refused(f"{name} exists and is a {objects[present].lower()}, not a table")
    if not replace:
        raise Refused(
            f"{name} exists",
            hint="Give it another name with --as, or keep the present one renamed by --replace.",
        )
    kept = f"{present}_before_{today:%Y%m%d}"
    while kept in objects:
        kept += "_"
    if len(kept) > MOST_NAME_CHARACTERS:
        raise Refused(
            f"{name} cannot be kept as {kept}: the name has more than {MOST_NAME_CHARACTERS} "
            "characters",
            hint="Restore it under another name with --as, and rename it by hand.",
        )
    return NewTable(table, temporary, name, TableName(name.schema, kept))


def _refuse_referenced(connection: Connection[DictCursor], new_tables: Sequence[NewTable]) -> None:
    """Raise Refused where foreign keys would follow the table that is renamed."""
    replaced = {new.name for new in new_tables if new.kept_as is not None}
    for table in sorted(replaced):
        rows = fetch_rows(connection, _CHILDREN, (table.schema, table.name))
        children = {TableName(str(row["sch"]), str(row["name"])) for row in rows} - replaced
        if children:
            names = ", ".join(map(str, sorted(children)))
            raise Refused(
                f"{table} cannot be replaced: foreign keys of {names} would go on to refer to the "
                "old table",
                hint="Restore it under another name with --as, and copy the rows that are wanted; "
                "or restore those tables together with it.",
            )


def _refuse_unprivileged(grants: Grants, instance: Instance, schemas: Sequence[str]) -> None:
    """Raise Refused where the account may not do what is needed."""
    if grants.everything:
        return
    for schema in schemas:
        here = {word for word, scope in grants.scoped if scope == f"{schema}.*"}
        held = grants.privileges | here
        missing = (
            []
            if "ALL PRIVILEGES" in held
            else [word for word in NEEDED_TO_MAKE_TABLES if word not in held]
        )
        if missing:
            statement = grant_statement(grants.account, missing, f"{quoted(schema)}.*")
            raise Refused(
                f"the account of {instance.name} may not make tables in schema {schema}: it lacks "
                f"{', '.join(missing)}",
                hint=f"Run {statement} and take the privileges back afterwards.",
            )


# Any: SQL's values.
def run(connection: Connection[Any], sql: str | bytes) -> None:
    """Run one statement, whose result is of no interest."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
