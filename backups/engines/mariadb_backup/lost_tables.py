"""Which tables does a copy define and not have? The tool leaves some out, and ends with success.

A DISCARD TABLESPACE in the redo log looks to it like a DROP, and the IMPORT after it keeps the
number of the tablespace. Until the next checkpoint it says of such a table that it was dropped, and
copies its definition only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backups.archive.records import FileOpened, FileRenamed, Record
from backups.innodb.names import decode_name

DEFINITION, DATA = ".frm", (".ibd", ".new")
PARTITION = "#P#"


class LostTables:
    """Follows the files of a copy."""

    def __init__(self) -> None:
        self._files: set[str] = set()

    def follow(self, records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            if isinstance(record, FileOpened | FileRenamed) and record.path.endswith(
                (DEFINITION, *DATA)
            ):
                self._files.add(record.path)
            yield record

    def problems(self, ignored: Sequence[str]) -> tuple[str, ...]:
        """Return a sentence for each table without data; ``ignored`` are tablespaces, by file."""
        lost = {_table_of(path) for path in ignored if self._is_lost(path.removesuffix(".ibd"))}
        return tuple(
            f"{table} has a definition in this backup, but no data: mariadb-backup took it for "
            "dropped, as it does after an IMPORT TABLESPACE until the next checkpoint; repeat it"
            for table in sorted(lost)
        )

    def _is_lost(self, name: str) -> bool:
        defined = f"{_without_partition(name)}{DEFINITION}" in self._files
        return defined and not any(f"{name}{end}" in self._files for end in DATA)


def _table_of(path: str) -> str:
    schema, _, table = path.removesuffix(".ibd").partition("/")
    return f"{decode_name(schema)}.{decode_name(_without_partition(table))}"


def _without_partition(name: str) -> str:
    at = name.upper().find(PARTITION)
    return name if at < 0 else name[:at]
