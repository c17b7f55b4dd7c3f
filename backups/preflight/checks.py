"""May a backup start? Every check, its verdict and its figures; ``doctor`` prints the same.

``decide_checks`` turns a survey into checks and reads nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backups.checks import Check, Verdict, failed
from backups.exceptions import Refused
from backups.instances.clone_facts import CloneSettings
from backups.instances.data_folder import note_data_folder
from backups.instances.facts import ServerFacts
from backups.instances.grants import WHY, grant_statement, missing_privileges, needed_by
from backups.instances.identity import note_server
from backups.models import Instance, Repository
from backups.preflight.clone_checks import decide_clone_checks
from backups.preflight.disk_check import check_disk
from backups.preflight.encryption_check import check_encryption
from backups.preflight.lock_check import check_locks
from backups.preflight.same_files import check_same_files
from backups.preflight.session_checks import check_session_settings
from backups.preflight.space_estimate import RoomEstimate, estimate_link_room, estimate_room
from backups.preflight.survey import Problem, RepositorySurvey, Survey, look, with_choice
from backups.preflight.tables_check import check_tables
from backups.programs.compatibility import (
    CLONE,
    MARIADB,
    MARIADB_BACKUP,
    Compatibility,
    can_back_up,
    can_copy_with,
)
from backups.programs.host import HostFacts
from backups.repositories.base import ObjectStore
from backups.runners.base import Runner
from backups.states import BackupKind
from backups.table_names.choice import TableChoice
from backups.units import format_bytes, format_duration

# The lock at the end of a copy waits for running statements, and new ones wait behind it.
LONG_QUERY = timedelta(minutes=5)
NO_REPOSITORY = Check(
    "repository", Verdict.FAILED, "no repository is enabled", "Add one with addrepository."
)
NOT_ASKED = "not checked: the instance cannot be reached"


@dataclass(frozen=True, slots=True)
class Preflight:
    """The survey before a backup, and the checks derived from it."""

    survey: Survey
    checks: tuple[Check, ...]


def run_checks(
    instance: Instance,
    stores: Sequence[tuple[Repository, ObjectStore]],
    runner: Runner,
    clone_options: CloneSettings | None = None,
    kind: str = BackupKind.FULL,
    choice: TableChoice | None = None,
) -> Preflight:
    """Check everything a backup of ``instance`` depends on. Changes nothing."""
    survey = look(instance, stores, runner, clone_options, kind)
    survey = with_choice(survey, instance, choice)
    return Preflight(survey, tuple(decide_checks(survey)))


def refuse_if_failed(checks: Iterable[Check]) -> None:
    """Raise Refused with every failed check, its figures and what to do about it."""
    if bad := failed(checks):
        raise Refused(
            "; ".join(f"{check.name}: {check.found}" for check in bad),
            hint=" ".join(check.hint for check in bad if check.hint),
        )


def remember(
    instance: Instance, facts: ServerFacts, now: datetime, *, raw_bytes: int | None = None
) -> None:
    """Store on the row what the instance reported about itself, and when."""
    note_server(instance, facts.identity, now)
    if instance.other_server:
        # What another server reports is not known of this instance.
        return
    instance.flavour = facts.flavour
    instance.version = facts.version[:80]
    instance.seen_at = now
    note_data_folder(instance, facts)
    columns = ["flavour", "version", "seen_at", "data_folder", "data_device"]
    if raw_bytes is not None:
        instance.data_bytes = raw_bytes
        columns.append("data_bytes")
    instance.save(update_fields=columns)


def decide_checks(survey: Survey) -> list[Check]:
    """Turn a survey into checks, in the order in which a person would fix them."""
    checks = [check_reachable(survey.address, survey.facts, survey.unreachable)]
    if survey.facts is None:
        checks += [Check(name, Verdict.UNKNOWN, NOT_ASKED) for name in ("version", "privileges")]
    else:
        checks.append(check_server(survey, survey.facts))
        checks.append(_as_check("version", _ruling(survey.engine, survey.facts)))
        checks.append(check_privileges(survey.facts, survey.engine))
    if survey.host is not None:
        checks.append(check_tool(survey.host, survey.facts))
    if survey.facts is not None:
        checks += _checks_of_server(survey, survey.facts)
    if any(repository.encrypted for repository in survey.repositories):
        checks.append(check_key(survey.key_id, survey.key_problem))
    if not survey.repositories:
        checks.append(NO_REPOSITORY)
    for about_one in checks_of_repositories(survey).values():
        checks += about_one
    return checks


def _checks_of_server(survey: Survey, facts: ServerFacts) -> list[Check]:
    checks = []
    if survey.host is not None:
        checks.append(check_data_folder(survey.host, facts))
        checks.append(check_same_files(survey, facts))
    if survey.engine == CLONE and facts.clone is not None:
        checks += decide_clone_checks(
            facts, facts.clone, survey.clone_options, survey.foreign_tables
        )
        open_ones = [
            repository.name for repository in survey.repositories if not repository.encrypted
        ]
        checks.append(check_encryption(facts, facts.clone, open_ones))
    if survey.chosen is not None or survey.chosen_problem is not None:
        checks.append(check_tables(survey, facts.grants))
    checks.append(check_session_settings(facts, survey.engine))
    checks.append(check_binlog(facts))
    checks.append(check_locks(facts))
    if survey.engine == MARIADB_BACKUP:
        checks.append(check_running_queries(facts))
        checks += check_tablespace_encryption(facts)
    return checks


def check_reachable(address: str, facts: ServerFacts | None, problem: Problem | None) -> Check:
    if facts is None:
        error, hint = (problem.error, problem.hint) if problem else ("not checked", "")
        return Check("reachable", Verdict.FAILED, error, hint)
    return Check("reachable", Verdict.OK, f"{address} as {facts.grants.account}")


def check_server(survey: Survey, facts: ServerFacts) -> Check:
    """Check that it is the server whose backups the instance has."""
    name = "server"
    if survey.known_identity in ("", facts.identity):
        return Check(name, Verdict.OK, facts.identity)
    return Check(
        name,
        Verdict.FAILED,
        f"another server is at this address: {facts.identity}, not {survey.known_identity}",
        f"Correct the address, or say what it is: confirmserver {survey.name} "
        "--as restored, failed-over or another.",
    )


def check_privileges(facts: ServerFacts, engine: str = MARIADB_BACKUP) -> Check:
    needed = needed_by(engine, rocksdb=facts.rocksdb)
    missing = missing_privileges(facts.grants, needed)
    if not missing:
        verb = "is" if len(needed) == 1 else "are"
        return Check("privileges", Verdict.OK, f"{', '.join(needed)} {verb} granted")
    reasons = ", ".join(f"{name} ({WHY[name]})" for name in missing)
    hint = f"Run {grant_statement(facts.grants.account, missing)}"
    if facts.grants.roles:
        roles = ", ".join(facts.grants.roles)
        hint += f" A role counts only as the user's default role; granted: {roles}."
    return Check("privileges", Verdict.FAILED, f"missing {reasons}", hint)


def check_tool(host: HostFacts, facts: ServerFacts | None) -> Check:
    if host.tool is None:
        return Check("tool", Verdict.FAILED, host.tool_problem, host.tool_hint)
    if facts is None or facts.flavour != MARIADB or facts.release is None:
        return Check(
            "tool",
            Verdict.UNKNOWN,
            f"mariadb-backup {host.tool}; the server's version is unknown",
        )
    return _as_check("tool", can_copy_with(host.tool, facts.release))


def check_data_folder(host: HostFacts, facts: ServerFacts) -> Check:
    name = "data folder"
    files = host.files
    if files is None:
        return Check(
            name,
            Verdict.FAILED,
            f"{facts.datadir} cannot be read: {host.files_problem or 'its path is unknown'}",
            "Let the runner's commands run on the instance's host, as a user that may read the "
            "data folder.",
        )
    if files.unreadable:
        return Check(
            name,
            Verdict.FAILED,
            f"{files.unreadable} cannot be read by the user that runs mariadb-backup",
            "Run the worker (or log in by ssh) as the server's own user or as root, or move a "
            "folder that is no schema out of the data folder.",
        )
    if facts.hostname and host.hostname and facts.hostname != host.hostname:
        return Check(
            name,
            Verdict.WARNING,
            f"the server reports host {facts.hostname}, commands run on {host.hostname}",
            f"Make sure that {facts.datadir} is the same folder on both.",
        )
    size = format_bytes(files.innodb_bytes + files.other_bytes)
    return Check(name, Verdict.OK, f"{facts.datadir}: {size} in {files.file_count} files to copy")


def check_binlog(facts: ServerFacts) -> Check:
    if facts.log_bin:
        return Check("binlog", Verdict.OK, f"on, {facts.binlog_format}".rstrip(", "))
    return Check(
        "binlog",
        Verdict.WARNING,
        "off: a restore can reach only the end of a backup, not a later point in time",
        "Set log_bin on the instance to be able to recover to a point in time.",
    )


def check_running_queries(facts: ServerFacts) -> Check:
    name = "running queries"
    if facts.longest_query is None:
        return Check(name, Verdict.UNKNOWN, "the account may not see them: PROCESS is missing")
    if facts.longest_query < LONG_QUERY:
        return Check(name, Verdict.OK, f"none longer than {format_duration(LONG_QUERY)}")
    return Check(
        name,
        Verdict.WARNING,
        f"one has run for {format_duration(facts.longest_query)}; "
        "the lock at the end of the copy may wait for it",
        "Let it finish first, or inspect it with SHOW PROCESSLIST.",
    )


def check_tablespace_encryption(facts: ServerFacts) -> list[Check]:
    """Return a check only where the server encrypts its own files."""
    if facts.innodb is None or facts.innodb.encrypted_count is None:
        found = "the server does not report which tablespaces it encrypts"
        return [Check("server encryption", Verdict.UNKNOWN, found)]
    if not facts.innodb.encrypted_count:
        return []
    return [
        Check(
            "server encryption",
            Verdict.WARNING,
            f"{facts.innodb.encrypted_count} tablespaces are encrypted by the server",
            "Keep the server's own keys too: a restore needs them (MOORING_MARIADB_KEY_FILE).",
        )
    ]


def check_key(key_id: str, problem: Problem | None) -> Check:
    if problem is not None:
        return Check("backup key", Verdict.FAILED, problem.error, problem.hint)
    return Check("backup key", Verdict.OK, f"key {key_id}; keep a copy of it elsewhere")


def check_repository(repository: RepositorySurvey, survey: Survey) -> list[Check]:
    """Check one repository: reachable, the expected one, enough free space?"""
    name = f"repository {repository.name}"
    if repository.problem is not None:
        return [Check(name, Verdict.FAILED, repository.problem.error, repository.problem.hint)]
    if repository.found_uuid != repository.uuid:
        return [
            Check(
                name,
                Verdict.FAILED,
                f"its path holds another repository: {repository.found_uuid}, "
                f"not {repository.uuid}",
                "Check which disk is mounted there.",
            )
        ]
    room = full = _full_room(repository, survey)
    if survey.is_link:
        room = estimate_link_room(survey.past_link_bytes, full)
    return [
        _encryption_check(name, repository.encrypted, repository.medium),
        _room_check(repository, room),
    ]


def check_full_rooms(survey: Survey) -> dict[str, list[Check]]:
    """Check by repository whether a full backup fits, where another kind was requested."""
    return {
        repository.name: [_room_check(repository, _full_room(repository, survey))]
        for repository in survey.repositories
    }


def checks_of_repositories(survey: Survey) -> dict[str, list[Check]]:
    """Return by repository the checks that are about it alone."""
    return {
        repository.name: [
            *check_repository(repository, survey),
            *check_disk(repository, survey.name, survey.data_folders, survey.data_device),
        ]
        for repository in survey.repositories
    }


def _full_room(repository: RepositorySurvey, survey: Survey) -> RoomEstimate:
    return estimate_room(
        raw_bytes=survey.raw_bytes, past_ratio=survey.past_ratio, free_bytes=repository.free_bytes
    )


def _room_check(repository: RepositorySurvey, room: RoomEstimate) -> Check:
    short = room.verdict in {Verdict.WARNING, Verdict.FAILED}
    hint = "Purge backups, or add space to the repository." if short else ""
    return Check(f"room in {repository.name}", room.verdict, room.explanation, hint)


def _encryption_check(name: str, encrypted: bool, medium: str) -> Check:
    where = f"; {medium}" if medium else ""
    if encrypted:
        return Check(name, Verdict.OK, f"reachable, writable, encrypted{where}")
    return Check(
        name,
        Verdict.WARNING,
        "reachable, writable, NOT encrypted: anyone who can read it can read every backup in it"
        f"{where}",
        "Use an encrypted repository for data that is not public.",
    )


def _ruling(engine: str, facts: ServerFacts) -> Compatibility:
    return can_back_up(engine, facts.flavour, facts.release)


def _as_check(name: str, ruling: Compatibility) -> Check:
    return Check(name, ruling.verdict, ruling.reason, ruling.hint)
