"""The work object that the stages of a restore of tables pass to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from backups.catalog.copies import copy_of
from backups.exceptions import BadInput
from backups.models import BackupCopy, Job
from backups.opened_tables.open import FoundPart
from backups.parameters import RestoreTableParameters
from backups.programs.private_server import PrivateServer
from backups.table_names.names import TableName
from backups.table_restores.request import new_names
from backups.table_restores.target import NewTable, TargetServer
from backups.table_restores.ways import Way


@dataclass(slots=True)
class TableRestoreWork:
    """One restore of tables."""

    copy: BackupCopy
    asked: RestoreTableParameters
    # The name that each gets.
    names: Mapping[TableName, TableName]
    server_program: str
    found: FoundPart | None = None
    # The private server's; removed in the end.
    folder: Path | None = None
    server: PrivateServer | None = None
    # None: they are not restored into an instance.
    target: TargetServer | None = None
    # By their names in the backup.
    ways: dict[TableName, Way] = field(default_factory=dict)
    rows: dict[TableName, int] = field(default_factory=dict)

    def opened(self) -> PrivateServer:
        if self.server is None:
            raise BadInput("the tables have not been opened")
        return self.server

    def part(self) -> FoundPart:
        if self.found is None:
            raise BadInput("the backup has not been opened")
        return self.found

    def data(self) -> Path:
        if self.folder is None:
            raise BadInput("there is no folder to open tables in")
        return self.folder / "data"

    def new_tables(self) -> dict[TableName, NewTable]:
        """Return what is to be made in the instance, by the names in the backup."""
        return {new.table: new for new in self.target.new_tables} if self.target else {}


def table_restore_work(job: Job, asked: RestoreTableParameters) -> TableRestoreWork:
    """Build the work object of a restore of tables."""
    return TableRestoreWork(
        copy_of(job), asked, new_names(asked), server_program=asked.mysqld or settings.MYSQLD
    )
