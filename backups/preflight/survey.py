"""Which facts does a backup depend on? Gathered in one place; nothing is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime

from backups.access import medium_of
from backups.engines import engine_named
from backups.exceptions import KeyUnavailable, MooringError, RepositoryError
from backups.instances.chosen_of_clone import fetch_chosen_of_clone
from backups.instances.chosen_tables import ChosenTables, fetch_chosen
from backups.instances.clone_facts import CloneSettings, ForeignTable
from backups.instances.connection import connect, login_of
from backups.instances.data_folder import data_folders_here
from backups.instances.facts import CURRENT, ServerFacts, fetch_lsn, probe
from backups.keys.load import load_keys
from backups.models import Backup, Instance, Repository
from backups.programs.compatibility import CLONE
from backups.programs.host import HostFacts, survey_host
from backups.programs.redo_checkpoint import read_checkpoint
from backups.repositories.base import ObjectStore
from backups.repositories.disks import device_of, real_path
from backups.runners.base import Runner
from backups.states import BackupKind
from backups.table_names.choice import TableChoice

LINK_KINDS = frozenset((BackupKind.INCREMENTAL, BackupKind.DIFFERENTIAL))
# What the next one takes is estimated from so many.
LINKS_COMPARED = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something could not be checked."""

    error: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class RepositorySurvey:
    """A repository at one moment."""

    name: str
    encrypted: bool
    # Of the row, and of the repository at its path; blank if unreadable.
    uuid: str
    found_uuid: str = ""
    free_bytes: int | None = None
    problem: Problem | None = None
    # Its folder, links resolved, and its device; blank and None: unknown.
    folder: str = ""
    device: int | None = None
    # What it is on, where that is no disk of this host.
    medium: str = ""


@dataclass(frozen=True, slots=True)
class ConfirmedFiles:
    """Which files of which server an admin confirmed to belong together."""

    files: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything a backup depends on, at one moment."""

    address: str
    engine: str
    # None if the engine does not use the host.
    host: HostFacts | None
    facts: ServerFacts | None = None
    unreachable: Problem | None = None
    repositories: tuple[RepositorySurvey, ...] = ()
    key_id: str = ""
    key_problem: Problem | None = None
    name: str = ""
    # Of the server whose backups the instance has; blank before the first.
    known_identity: str = ""
    # Folders of its files on this host, links resolved; none if they are on another.
    data_folders: tuple[str, ...] = ()
    data_device: int | None = None
    # Of the files on the host, and of the server thereafter.
    found_checkpoint: int | None = None
    lsn_after: int | None = None
    confirmed: ConfirmedFiles | None = None
    # Stored to raw bytes of the newest full backup.
    past_ratio: float | None = None
    # Whether the backup is based on another, and the most stored bytes of the last such ones.
    is_link: bool = False
    past_link_bytes: int | None = None
    # Options of the clone, from the instance or the job.
    clone_options: CloneSettings = field(default_factory=CloneSettings)
    # What a partial backup will have; None: it is none, or see the problem.
    chosen: ChosenTables | None = None
    chosen_problem: Problem | None = None

    @property
    def raw_bytes(self) -> int | None:
        """The bytes the engine will read; None if unknown."""
        innodb = self.facts.innodb if self.facts else None
        if self.chosen is not None:
            redo = innodb.redo_bytes if innodb else 0
            chosen = self.chosen.size_bytes + self.chosen.system_bytes
            return chosen + redo + self._selected_bytes
        files = self.host.files if self.host else None
        if innodb is None and files is None:
            return None
        # Only InnoDB knows tables outside the data folder, and only the folder shows unopened
        # ones: the larger figure misses less.
        tables = max(innodb.file_bytes if innodb else 0, files.innodb_bytes if files else 0)
        redo = innodb.redo_bytes if innodb else 0
        return tables + redo + (files.other_bytes if files else 0) + self._selected_bytes

    @property
    def _selected_bytes(self) -> int:
        clone = self.facts.clone if self.facts else None
        if clone is None or not self.clone_options.save_foreign_tables:
            return 0
        return sum(table.size_bytes for table in self.foreign_tables or ())

    @property
    def foreign_tables(self) -> Sequence[ForeignTable] | None:
        """The tables that a clone leaves out, those that were chosen; None if unknown."""
        clone = self.facts.clone if self.facts else None
        if clone is None or clone.foreign_tables is None or self.chosen is None:
            return clone.foreign_tables if clone else None
        chosen = {(table.schema, table.name) for table in self.chosen.tables}
        return [each for each in clone.foreign_tables if (each.schema, each.name) in chosen]

    @property
    def file_count(self) -> int | None:
        """The number of files the engine will read; None if unknown."""
        if self.chosen is not None:
            return None
        if self.host is None:
            return self.facts.innodb.file_count if self.facts and self.facts.innodb else None
        return self.host.files.file_count if self.host.files else None


def look(
    instance: Instance,
    stores: Sequence[tuple[Repository, ObjectStore]],
    runner: Runner,
    clone_options: CloneSettings | None = None,
    kind: str = BackupKind.FULL,
) -> Survey:
    """Gather the facts. What cannot be checked becomes a problem, never an exception.

    Without ``clone_options`` the instance's own options apply.
    """
    facts, unreachable = _survey_instance(instance)
    key_id, key_problem = _survey_key()
    needs_host = engine_named(instance.engine).needs_host
    checkpoint = read_checkpoint(runner, facts.redo_folder) if needs_host and facts else None
    folders = data_folders_here(instance, facts) if facts else ()
    return Survey(
        address=instance.address,
        name=instance.name,
        known_identity=instance.server_identity,
        engine=instance.engine,
        host=survey_host(runner, facts.datadir if facts else "") if needs_host else None,
        data_folders=folders,
        data_device=device_of(folders[0]) if folders else None,
        found_checkpoint=checkpoint,
        confirmed=_confirmed_files(instance),
        lsn_after=_current_lsn(instance) if checkpoint is not None else None,
        facts=facts,
        unreachable=unreachable,
        repositories=tuple(survey_repository(row, store) for row, store in stores),
        key_id=key_id,
        key_problem=key_problem,
        past_ratio=load_past_ratio(instance),
        is_link=kind in LINK_KINDS,
        past_link_bytes=load_past_link_bytes(instance, kind),
        clone_options=clone_options or clone_options_of(instance),
    )


def with_choice(survey: Survey, instance: Instance, choice: TableChoice | None) -> Survey:
    """Match the choice of a partial backup against the instance's tables, if it answers."""
    if choice is None or survey.facts is None:
        return survey
    fetch = fetch_chosen_of_clone if survey.engine == CLONE else fetch_chosen
    try:
        return replace(survey, chosen=fetch(login_of(instance), choice))
    except MooringError as exc:
        return replace(survey, chosen_problem=Problem(str(exc), exc.hint))


def clone_options_of(instance: Instance) -> CloneSettings:
    """Return the clone options of an instance."""
    return CloneSettings(instance.allow_plugin_install, instance.save_foreign_tables)


def survey_repository(repository: Repository, store: ObjectStore) -> RepositorySurvey:
    """Read the identity and the free space, and test for write access."""
    name, encrypted, uuid = repository.name, repository.encrypted, str(repository.uuid)
    try:
        found_uuid = store.identity().uuid
        store.try_writing()
        free_bytes = store.free_bytes()
        medium = medium_of(repository)
    except RepositoryError as exc:
        return RepositorySurvey(name, encrypted, uuid, problem=Problem(str(exc), exc.hint))
    return RepositorySurvey(
        name,
        encrypted,
        uuid,
        found_uuid,
        free_bytes,
        folder=real_path(repository.path) if repository.is_folder else "",
        medium=medium,
        device=device_of(repository.path) if repository.is_folder else None,
    )


def load_past_ratio(instance: Instance) -> float | None:
    """Return the compression ratio of the newest full backup; None if there is none."""
    if instance.pk is None:
        # An instance that has not been saved yet.
        return None
    newest = Backup.objects.filter(instance=instance, kind=BackupKind.FULL, raw_bytes__gt=0)
    stored, raw = newest.values_list("stored_bytes", "raw_bytes").first() or (None, None)
    return stored / raw if stored is not None and raw else None


def load_past_link_bytes(instance: Instance, kind: str) -> int | None:
    """Return the most stored bytes of the newest backups of a kind that is based on others."""
    if instance.pk is None or kind not in LINK_KINDS:
        return None
    newest = Backup.objects.filter(instance=instance, kind=kind, stored_bytes__isnull=False)
    sizes = newest.order_by("-ended_at").values_list("stored_bytes", flat=True)
    return max((size for size in sizes[:LINKS_COMPARED] if size is not None), default=None)


def _survey_instance(instance: Instance) -> tuple[ServerFacts | None, Problem | None]:
    try:
        with closing(connect(login_of(instance))) as connection:
            return probe(connection), None
    except MooringError as exc:
        return None, Problem(str(exc), exc.hint)


def _confirmed_files(instance: Instance) -> ConfirmedFiles | None:
    if not instance.files_confirmed or instance.files_confirmed_at is None:
        return None
    return ConfirmedFiles(
        instance.files_confirmed, instance.files_confirmed_by, instance.files_confirmed_at
    )


def _current_lsn(instance: Instance) -> int | None:
    try:
        with closing(connect(login_of(instance))) as connection:
            return fetch_lsn(connection, CURRENT)
    except MooringError:
        return None


def _survey_key() -> tuple[str, Problem | None]:
    try:
        return load_keys().current.id, None
    except KeyUnavailable as exc:
        return "", Problem(str(exc), exc.hint)
