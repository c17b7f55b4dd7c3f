"""Sets the owner of the files, syncs them to disk, and hands the folder over."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shlex

from django.db import Error

from backups.archive.contained import create_contained, remove_contained
from backups.engines import engine_named
from backups.engines.base import Prepared
from backups.engines.mariadb_backup.restored import PREPARE_FILE, commands_before_prepare
from backups.engines.mariadb_backup.undecided import rollback_command
from backups.exceptions import StageFailed
from backups.programs.compatibility import MARIADB, MARIADB_BACKUP, MYSQL, parse_version
from backups.programs.server_program import replication_off
from backups.programs.server_settings import ServerSettings, parse_server_settings
from backups.restores.kept import stop_keeping
from backups.restores.option_file import OPTION_FILE, build_option_file
from backups.restores.replay.drive import Replayed
from backups.restores.run_user import change_owner, give_folder
from backups.restores.target import hand_over_folder
from backups.runners.local import LocalRunner
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.restore.work import RestoreWork


class HandOver(PlainStage[RestoreWork]):
    name = "hand over"
    # A sync of a whole filesystem has no output; it has a time limit of its own.
    watched = False

    def run(self, run: Run, work: RestoreWork) -> str:
        ours = (os.geteuid(), os.getegid())
        server = parse_server_settings(work.opened().manifest.about.get("server"))
        owner = find_owner(work.owner) or ours
        # Programs worked on the files as somebody else; from here on they are ours again.
        give_folder(work.target, *ours)
        if not work.raw:
            write_option_file(run.job.engine, work, server)
        if work.run_user is not None or owner != ours:
            change_owner(work.target, *owner)
        # The whole filesystem: syncing thousands of files one by one is slower.
        synced = LocalRunner().run(["sync", "-f", str(work.target)], timeout_seconds=3600)
        if synced.exit_code:
            raise StageFailed(f"{work.target} could not be synced: {synced.stderr.strip()}")
        run.check()
        hand_over_folder(work.target)
        # Last: until now nobody else could put anything into it.
        give_folder(work.target, *owner)
        # Even if this write fails: without its mark no tick removes the folder.
        with contextlib.suppress(Error):
            stop_keeping(run.job)
            run.forget_leftovers()
        return describe(work, server)


def write_option_file(engine: str, work: RestoreWork, server: ServerSettings) -> None:
    """Write the settings for a server on the restored files."""
    about, used = work.opened().manifest.about, engine_named(engine)
    text = build_option_file(
        work.target,
        label=about["label"],
        shaping=used.start_options(work.target, work.keys),
        server=server,
        external_files=used.details.read(about["facts"]["more"]).external_files or {},
        replication_off=replication_off(
            MARIADB if engine == MARIADB_BACKUP else MYSQL,
            parse_version(work.copy.backup.server_version),
        ),
    )
    # What prepare left is not trusted: a link in its place goes, and is not written through.
    remove_contained(work.target, OPTION_FILE)
    create_contained(work.target, OPTION_FILE, text.encode(), mode=0o644)


def describe(work: RestoreWork, server: ServerSettings) -> str:
    """Return where the files are, and the position a replica would start from."""
    position, gtids = _coordinates(work)
    parts = (
        f"{_state(work)} in {work.target}",
        f"binlog {position}" if position else "",
        f"GTID {gtids}" if gtids else "",
        _before_prepare(work),
        _replication_stopped(work.prepared) if work.replayed is None else "",
        _left_by_replay(work.replayed),
        _was_replica_of(server),
        f"- {work.remark}" if work.remark else "",
    )
    return " ".join(part for part in parts if part)


def _coordinates(work: RestoreWork) -> tuple[str, str]:
    """Return where in the instance's binlogs the files are, and their GTIDs."""
    if work.recovery is not None and work.replayed is not None:
        stop = work.recovery.stop
        return f"{stop.file}:{stop.offset}", work.replayed.gtids
    backup = work.copy.backup
    position = f"{backup.binlog_file}:{backup.binlog_position}" if backup.binlog_file else ""
    return position, backup.gtid_executed


def _left_by_replay(replayed: Replayed | None) -> str:
    """Return what a person has to decide after a replay."""
    if replayed is None:
        return ""
    found = []
    if replayed.disabled_events:
        found.append(f"disabled events: {', '.join(replayed.disabled_events)};")
    if replayed.open_xa:
        found.append(f"{len(replayed.open_xa)} prepared XA transactions are undecided;")
    return f"- {' '.join(found)}" if found else ""


def _state(work: RestoreWork) -> str:
    if work.raw:
        return "raw"
    if work.replayed is not None:
        done = f"prepared, {work.replayed.passed.transactions:,} transactions replayed,"
        return f"{done} started once" if work.started_once else done
    started = work.started_once or work.prepared.started
    return "prepared and started once" if started else "prepared, not started yet,"


def _replication_stopped(prepared: Prepared) -> str:
    """Return what the server replicated from, and how it resumes; it does not by itself."""
    if not prepared.replica_of:
        return ""
    return (
        f"- it was a replica of {', '.join(prepared.replica_of)}, its replication is stopped: "
        "START REPLICA resumes it, RESET REPLICA ALL makes the server independent;"
    )


def _was_replica_of(server: ServerSettings) -> str:
    """Return what a MariaDB replicated from: no backup holds the files in which it keeps that."""
    if not (sources := sorted(set(server.sources.values()))):
        return ""
    return (
        f"- it was a replica of {', '.join(sources)}; the restored server replicates from nothing "
        "until CHANGE MASTER TO is run there;"
    )


def _before_prepare(work: RestoreWork) -> str:
    """Return the commands that must run before a manual prepare, and one for after it.

    Links would lead it to the originals, and the backup's option file may name a library. The
    last command rolls back what no binlog decides.
    """
    if not work.raw or work.copy.backup.engine != MARIADB_BACKUP:
        return ""
    folder = shlex.quote(str(work.target))
    commands = " && ".join(commands_before_prepare(folder))
    return (
        f"- before you prepare it with --defaults-file={PREPARE_FILE}: {commands} - after it, "
        f"where a server reports 'Found N prepared transactions': {rollback_command(folder)}"
    )


def find_owner(named: str) -> tuple[int, int] | None:
    """Return the ids of ``user:group``; None where nobody is named."""
    user, _, group = named.partition(":")
    if not user:
        return None
    try:
        return pwd.getpwnam(user).pw_uid, grp.getgrnam(group or user).gr_gid
    except KeyError as exc:
        raise StageFailed(
            f"owner of the files not changed to {named}: {exc.args[0]}",
            hint="Name a user and a group of this host, or restore without an owner.",
        ) from exc
