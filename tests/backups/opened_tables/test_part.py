"""Which files are needed for a few tables."""

from __future__ import annotations

import errno
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from backups.archive.contents import StoredFile
from backups.archive.meter import Meter
from backups.definitions.document import PATH, Definition, Definitions
from backups.exceptions import BadInput, Refused
from backups.models import BackupCopy
from backups.opened_tables import open as open_module
from backups.opened_tables.open import FoundPart, extract_part
from backups.opened_tables.part import Part, choose_part
from backups.opened_tables.timed_watch import TimedWatch
from backups.table_names.names import TableName

SYSTEM = (
    "ibdata1",
    "mysql.ibd",
    "undo_001",
    "#innodb_redo/#ib_redo7",
    "#clone/#status_fix",
    "mysql/mooring-donor.json",
    "mysql/db.MAD",
    "mooring-keyring/component_keyring_file",
    "backup-my.cnf",
)
OTHERS = (
    PATH,
    "shop/big.ibd",
    "shop/big.frm",
    "sys/sys_config.ibd",
    "bank/orders.ibd",
    "bank/db.opt",
    "general.ibd",
    "mooring-foreign/1/2.sql",
)
FULL_TEXT = "shop/fts_0000000000000427_deleted.ibd"


def files(*paths: str) -> list[StoredFile]:
    return [StoredFile(number, path, 10, 10, 0, 0) for number, path in enumerate(paths)]


def table(name: str, body: str = "", tail: str = "ENGINE=InnoDB") -> Definition:
    return Definition("table", "shop", name, f"CREATE TABLE `{name}` (\n  `id` int{body}\n) {tail}")


def chosen(name: str, *definitions: Definition, more: tuple[str, ...] = ()) -> Part:
    known = Definitions(datetime(2026, 1, 1, tzinfo=UTC), definitions, ())
    everything = files(*SYSTEM, *OTHERS, FULL_TEXT, *more)
    return choose_part(everything, known, [TableName("shop", name)])


def test_the_system_and_the_table_are_taken() -> None:
    part = chosen("orders", table("orders"), more=("shop/orders.ibd", "shop/db.opt"))
    assert part.paths == {*SYSTEM, "shop/orders.ibd", "shop/db.opt"}
    assert part.bytes == 10 * len(part.paths)
    assert part.system_bytes == part.bytes - 10


def test_a_full_text_index_has_tables_of_its_own() -> None:
    indexed = table("orders", ",\n  FULLTEXT KEY `words` (`note`)")
    assert FULL_TEXT in chosen("orders", indexed, more=("shop/orders.ibd",)).paths
    assert FULL_TEXT not in chosen("orders", table("orders"), more=("shop/orders.ibd",)).paths


def test_a_table_may_be_in_a_general_tablespace() -> None:
    inside = table("orders", tail="/*!50100 TABLESPACE `ts` */ ENGINE=InnoDB")
    part = chosen("orders", inside)
    assert "general.ibd" in part.paths
    assert part.tables[0].tablespace == "ts"


def test_rows_of_other_engines_may_be_missing() -> None:
    with pytest.raises(BadInput, match=r"none of its rows: its storage engine is MyISAM"):
        chosen("old", table("old", tail="ENGINE=MyISAM"))


def test_a_view_and_an_unknown_name_are_refused() -> None:
    with pytest.raises(BadInput, match="is a view"):
        chosen("seen", Definition("view", "shop", "seen", "CREATE VIEW"))
    with pytest.raises(BadInput, match="has no table"):
        chosen("nothing")
    with pytest.raises(BadInput, match="of the server itself"):
        choose_part(files(*SYSTEM), None, [TableName("mysql", "user")])


def test_without_definitions_the_files_say_what_there_is() -> None:
    everything = files(*SYSTEM, "shop/orders.frm", "shop/orders.ibd")
    part = choose_part(everything, None, [TableName("shop", "orders")])
    assert part.paths == {*SYSTEM, "shop/orders.frm", "shop/orders.ibd"}


def test_a_definition_of_empty_lines_is_read_in_no_time() -> None:
    # From a forged backup; read in steps that grow by the square, it would take an hour.
    lines = Definition("table", "shop", "orders", "\n" * (1 << 20))
    part = chosen("orders", lines, more=("shop/orders.ibd",))
    assert not part.tables[0].has_full_text


def test_a_disk_that_takes_no_more_is_no_fault_of_the_backup(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "ibdata1"))

    monkeypatch.setattr(open_module, "extract", full)
    copy = cast("BackupCopy", None)
    found = FoundPart(copy, (), None, Part((), frozenset(), 0))
    with pytest.raises(Refused, match="ibdata1 cannot be written: No space left"):
        extract_part(found, tmp_path, TimedWatch(9), Meter())
