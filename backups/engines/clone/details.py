"""What can be asked of a clone only, and what does only a clone tell?"""

from __future__ import annotations

from dataclasses import dataclass

from backups.engines.base import EngineOptions
from backups.engines.details import CopyDetails, Texts


@dataclass(frozen=True, slots=True)
class CloneOptions(EngineOptions):
    # Tables that are not InnoDB's, which a clone leaves out, are saved by SELECT.
    save_foreign_tables: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneDetails(CopyDetails):
    protocol: str | None = None
    server_uuid: str | None = None
    page_size: int | None = None
    # The exact set is between these; recovery finds it.
    gtid_executed_before: str | None = None
    gtid_executed_after: str | None = None
    pages_sent_again: int | None = None
    redo_bytes: int | None = None
    plugins: str | None = None
    configuration: Texts | None = None
    lower_case_table_names: int | None = None
    encrypted_files: int | None = None
    # None too where the account may not see which tables are not InnoDB's.
    foreign_tables: int | None = None
    saved_tables: int | None = None
    spilled_bytes: int | None = None
    # Of a partial backup: what the donor sent of tables that are not in.
    dropped_bytes: int | None = None
