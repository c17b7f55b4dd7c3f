"""The files get their owner, reach the disk, and the folder is no longer ours."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
from pathlib import Path

from django.db import Error

from backups.engines import engine_named
from backups.engines.mariadb_backup.restored import PREPARE_FILE, commands_before_prepare
from backups.exceptions import StageFailed
from backups.instances.settings import parse_server_settings
from backups.programs.compatibility import MARIADB_BACKUP
from backups.restores.option_file import OPTION_FILE, build_option_file
from backups.restores.target import hand_over_folder
from backups.runners.local import LocalRunner
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.restore.work import RestoreWork


class HandOver(PlainStage[RestoreWork]):
    name = "hand over"
    # A sync of a whole filesystem has nothing to say until it is done; it has a limit of its own.
    watched = False

    def run(self, run: Run, work: RestoreWork) -> str:
        if not work.raw:
            write_option_file(run.job.engine, work)
        user, _, group = work.owner.partition(":")
        if user:
            change_owner(work.target, user, group or None)
        # Everything of that filesystem: thousands of files are not synced one by one.
        synced = LocalRunner().run(["sync", "-f", str(work.target)], timeout_seconds=3600)
        if synced.exit_code:
            raise StageFailed(f"{work.target} could not be synced: {synced.stderr.strip()}")
        run.check()
        hand_over_folder(work.target)
        # Whatever becomes of the row: without its mark the folder is no longer ours to remove.
        with contextlib.suppress(Error):
            run.forget_leftovers()
        return describe(work)


def write_option_file(engine: str, work: RestoreWork) -> None:
    """Put into the folder what a server on it should be told."""
    about = work.opened().manifest.about
    text = build_option_file(
        work.target,
        label=about["label"],
        shaping=engine_named(engine).start_options(work.target),
        server=parse_server_settings(about.get("server")),
        external_files=json.loads(about["facts"]["more"].get("external_files") or "{}"),
    )
    (work.target / OPTION_FILE).write_text(text, encoding="utf-8")


def describe(work: RestoreWork) -> str:
    """Say what is where, and from which position a replica would go on."""
    backup = work.copy.backup
    position = f"{backup.binlog_file}:{backup.binlog_position}" if backup.binlog_file else ""
    parts = (
        f"{'raw' if work.raw else 'prepared'} in {work.target}",
        f"binlog {position}" if position else "",
        f"GTID {backup.gtid_executed}" if backup.gtid_executed else "",
        _before_prepare(work),
    )
    return " ".join(part for part in parts if part)


def _before_prepare(work: RestoreWork) -> str:
    """Say what our own prepare would have done first.

    Links would lead it to the originals, and the backup's option file may name code.
    """
    if not work.raw or work.copy.backup.engine != MARIADB_BACKUP:
        return ""
    commands = commands_before_prepare(shlex.quote(str(work.target)))
    return f"- before you prepare it with --defaults-file={PREPARE_FILE}: {' && '.join(commands)}"


def change_owner(target: Path, user: str, group: str | None) -> None:
    """Give every file to the user the server will run as."""
    try:
        for folder, _, files in os.walk(target):
            shutil.chown(folder, user, group or user)
            for file in files:
                shutil.chown(Path(folder) / file, user, group or user)
    except (LookupError, PermissionError) as exc:
        raise StageFailed(
            f"{target} could not be given to {user}: {exc}",
            hint="Run the worker as root, or restore without an owner and chown the folder.",
        ) from exc
