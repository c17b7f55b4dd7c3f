"""Sets the owner of the files, syncs them to disk, and hands the folder over."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from pathlib import Path

from django.db import Error

from backups.engines import engine_named
from backups.engines.mariadb_backup.restored import removal_of_links
from backups.engines.mariadb_backup.undecided import rollback_command
from backups.exceptions import StageFailed
from backups.programs.compatibility import MARIADB_BACKUP
from backups.programs.server_settings import parse_server_settings
from backups.restores.option_file import OPTION_FILE, build_option_file
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
        if not work.raw:
            write_option_file(run.job.engine, work)
        user, _, group = work.owner.partition(":")
        if user:
            change_owner(work.target, user, group or None)
        # The whole filesystem: syncing thousands of files one by one is slower.
        synced = LocalRunner().run(["sync", "-f", str(work.target)], timeout_seconds=3600)
        if synced.exit_code:
            raise StageFailed(f"{work.target} could not be synced: {synced.stderr.strip()}")
        run.check()
        hand_over_folder(work.target)
        # Even if this write fails: without its mark no tick removes the folder.
        with contextlib.suppress(Error):
            run.forget_leftovers()
        return describe(work)


def write_option_file(engine: str, work: RestoreWork) -> None:
    """Write the settings for a server on the restored files."""
    about, used = work.opened().manifest.about, engine_named(engine)
    text = build_option_file(
        work.target,
        label=about["label"],
        shaping=used.start_options(work.target),
        server=parse_server_settings(about.get("server")),
        external_files=used.details.read(about["facts"]["more"]).external_files or {},
    )
    (work.target / OPTION_FILE).write_text(text, encoding="utf-8")


def describe(work: RestoreWork) -> str:
    """Return where the files are, and the position a replica would start from."""
    backup = work.copy.backup
    position = f"{backup.binlog_file}:{backup.binlog_position}" if backup.binlog_file else ""
    parts = (
        f"{_state(work)} in {work.target}",
        f"binlog {position}" if position else "",
        f"GTID {backup.gtid_executed}" if backup.gtid_executed else "",
        _before_prepare(work),
        f"- {work.remark}" if work.remark else "",
    )
    return " ".join(part for part in parts if part)


def _state(work: RestoreWork) -> str:
    if work.raw:
        return "raw"
    started = work.started_once or work.prepared.started
    return "prepared and started once" if started else "prepared, not started yet,"


def _before_prepare(work: RestoreWork) -> str:
    """Return the command that must run before a manual prepare, and one for after it.

    The first removes links to originals, the second rolls back what no binlog decides.
    """
    if not work.raw or work.copy.backup.engine != MARIADB_BACKUP:
        return ""
    folder = shlex.quote(str(work.target))
    return (
        f"- before you prepare it: {removal_of_links(folder)} - after it, where a server reports "
        f"'Found N prepared transactions': {rollback_command(folder)}"
    )


def change_owner(target: Path, user: str, group: str | None) -> None:
    """Give every file to the user the server will run as."""
    try:
        for folder, _, files in os.walk(target):
            shutil.chown(folder, user, group or user)
            for file in files:
                shutil.chown(Path(folder) / file, user, group or user)
    except (LookupError, PermissionError) as exc:
        raise StageFailed(
            f"owner of {target} not changed to {user}: {exc}",
            hint="Run the worker as root, or restore without an owner and chown the folder.",
        ) from exc
