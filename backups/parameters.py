"""What was asked of a job beyond its columns?

One frozen class per operation. ``of`` reads a job's row and checks it: an unknown key or a wrong
type is BadInput. ``write`` is what the row gets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from backups.engines import engine_named
from backups.engines.base import EngineOptions
from backups.exceptions import BadInput
from backups.models import Job
from backups.models.catalog import Origin
from backups.states import Operation
from backups.typed_json import read_fields, write_fields

# A way to replay: the binlogs are put into the folder as relay logs.
RELAY_LOGS = "relay-logs"
# Of a restore: up to where archived binlogs are replayed, and what is left out.
REPLAY_PARAMETERS = (
    "until",
    "until_gtid",
    "before_gtid",
    "until_file",
    "until_position",
    "skip_gtids",
)
Fields = TypeVar("Fields", bound="Parameters | EngineOptions")


@dataclass(frozen=True, slots=True)
class Parameters:
    """What all have in common."""

    @classmethod
    def of(cls, job: Job) -> Self:
        """Read the job's row."""
        return _read(cls, job)

    def write(self) -> dict[str, Any]:
        """Return the JSON of the row. Any: it is JSON."""
        return write_fields(self)


@dataclass(frozen=True, slots=True)
class BackupParameters(Parameters):
    """The options of the engine, and nothing else."""

    options: EngineOptions

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(_read(engine_named(job.engine).options, job))

    def write(self) -> dict[str, Any]:
        return write_fields(self.options)


@dataclass(frozen=True, slots=True)
class VerifyParameters(Parameters):
    # Whether InnoDB's pages are checked too.
    pages: bool = False


@dataclass(frozen=True, slots=True)
class RestoreParameters(Parameters):
    target: Path
    # Whether the files are left as they were copied, not prepared.
    raw: bool = False
    # Whether they are handed over without a server having been started on them once.
    no_start: bool = False
    # "user:group" that gets the files; blank leaves them to whoever the worker runs as.
    owner: str = ""
    # Path of the server program to use; blank leaves it to the setting, and that to the engine.
    mysqld: str = ""
    # Up to where archived binlogs are replayed onto it; all None: not at all. A moment is written
    # with its offset.
    until: str | None = None
    until_gtid: str | None = None
    before_gtid: str | None = None
    until_file: str | None = None
    until_position: int | None = None
    # GTIDs that are left out, with spaces between.
    skip_gtids: str | None = None
    # How the binlogs get to the server: see RELAY_LOGS; None: from a source.
    replay_by: str | None = None
    # The job whose kept folder it goes on with, and the one that made that folder.
    continues: int | None = None
    mark: int | None = None


@dataclass(frozen=True, slots=True)
class RestoreTableParameters(Parameters):
    # One a line, as ``schema.table`` with each in backquotes.
    tables: str
    # One of the three: the name of an instance, a new folder, or a new file.
    to_instance: str | None = None
    to_folder: str | None = None
    sql_file: str | None = None
    # Of the only table, written likewise; None: each keeps its own.
    new_name: str | None = None
    # Whether a table that is there is renamed, and makes room.
    replace: bool = False
    mysqld: str = ""
    # In the names of the tables that it makes until they are whole.
    token: str = ""

    @property
    def target(self) -> str:
        """Where the tables go."""
        return self.to_instance or self.to_folder or self.sql_file or ""


@dataclass(frozen=True, slots=True)
class RestoreTestParameters(Parameters):
    mysqld: str = ""
    # A value of ``DrillPoint``; None: the backup as it is.
    point: str | None = None
    # The moment that was drawn when the job was made, and the range it was drawn from, each with
    # its offset. None: the backup is tested as it is.
    until: str | None = None
    range_from: str | None = None
    range_to: str | None = None
    # Why it is tested as it is, although it was to go to a moment.
    not_replayed: str | None = None


@dataclass(frozen=True, slots=True)
class RehearsalParameters(Parameters):
    # The server program to upgrade to, on the worker's host: see ``restores.upgrade_program``.
    mysqld: str
    # Own checks, as ``restores.own_checks`` reads them; blank: none.
    sql: str = ""


@dataclass(frozen=True, slots=True)
class ConsolidateParameters(Parameters):
    """Nothing beyond the columns."""


@dataclass(frozen=True, slots=True)
class ExportParameters(Parameters):
    # The new file.
    target: Path


@dataclass(frozen=True, slots=True)
class CopyParameters(Parameters):
    """Nothing beyond the columns: of its repositories, the other one gets the copy."""


@dataclass(frozen=True, slots=True)
class PurgeParameters(Parameters):
    reason: str
    # Whether the last restorable backup may go.
    force: bool = False
    # Whether retention requested it, and decides again; False where a person decided.
    retention: bool = False
    # Whether it is deleted without the delay of its repository.
    at_once: bool = False
    # The marked deletion that is carried out; None: it is requested now.
    deletion: int | None = None
    # The request that a second admin has confirmed.
    approval: int | None = None


@dataclass(frozen=True, slots=True)
class ObservedParameters(Parameters):
    """Of a job that somebody else ran: what its tool recorded."""

    facts: Mapping[str, str]


def _read(fields: type[Fields], job: Job) -> Fields:
    try:
        return read_fields(fields, job.parameters)
    except BadInput as exc:
        raise BadInput(f"the parameters of {job} cannot be read: {exc}") from None


_OF: Mapping[Operation, type[Parameters]] = {
    Operation.BACKUP: BackupParameters,
    Operation.RESTORE: RestoreParameters,
    Operation.RESTORE_TABLE: RestoreTableParameters,
    Operation.VERIFY: VerifyParameters,
    Operation.RESTORE_TEST: RestoreTestParameters,
    Operation.REHEARSAL: RehearsalParameters,
    Operation.CONSOLIDATE: ConsolidateParameters,
    Operation.EXPORT: ExportParameters,
    Operation.COPY: CopyParameters,
    Operation.PURGE: PurgeParameters,
}


def default_parameters(operation: Operation) -> Parameters:
    """Return what a job of the operation is asked where nobody says more."""
    return _OF[operation]()


def parameters_of(job: Job) -> Parameters:
    """Read the row of a job of any operation."""
    if job.origin == Origin.OBSERVED:
        return ObservedParameters.of(job)
    return _OF[Operation(job.operation)].of(job)
