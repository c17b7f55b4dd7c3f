"""Restore a backup into an empty folder, ready for a server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from rich.text import Text

from backups.binlog_archive.recovery.starts import choose_copy
from backups.catalog.facts import details_of
from backups.engines.clone.keyring import describe_keyring, explain_keyring
from backups.exceptions import BadInput
from backups.jobs.request import create_restore_job
from backups.management.copy_command import CopyCommand, add_mysqld_option, chosen_mysqld
from backups.management.output import DONE, Answer
from backups.management.replay_options import add_replay_options, replay_goal
from backups.management.restore_plan import answer_plan
from backups.models import Backup, BackupCopy, Instance, Job
from backups.programs.compatibility import CLONE, parse_version
from backups.restores.option_file import OPTION_FILE
from backups.restores.plan import PlannedRestore, RestorePlan, plan_restore
from backups.restores.replication import replication_statement


class Command(CopyCommand):
    help = (
        "Restore a backup into an empty folder, ready for a server; with --until or another place, "
        "archived binlogs are replayed onto it up to exactly there."
    )

    def add_options(self, parser: CommandParser) -> None:
        super().add_options(parser)
        parser.add_argument("--to", required=True, type=Path, help="Target: a new or empty folder.")
        parser.add_argument(
            "--raw",
            action="store_true",
            help="Do not prepare: restore the files as they were copied.",
        )
        parser.add_argument(
            "--no-start",
            action="store_true",
            help="Do not start a server on the prepared files once before they are handed over.",
        )
        parser.add_argument(
            "--owner", default="", help="Owner of the files, as user[:group], for example mysql."
        )
        parser.add_argument(
            "--plan",
            action="store_true",
            help="Change nothing: show what would be read, every check, and how long it should "
            "take.",
        )
        add_mysqld_option(parser)
        add_replay_options(parser)

    def answer(self, options: dict[str, Any]) -> Answer:
        if options["plan"]:
            return answer_plan(self.plan(options))
        answer = super().answer(options)
        statement = replication_of(options) if answer.exit_code == DONE else ""
        shown = list(answer.shown)
        option_file = options["to"].absolute() / OPTION_FILE
        written = read_settings(option_file) if answer.exit_code == DONE else ""
        if written:
            shown += [f"To start a server on it, use {option_file}:", Text(written.rstrip())]
        if statement:
            shown += [
                "To make it a replica of the instance it was copied from, run on it:",
                statement,
            ]
        keyring = keyring_for(options) if answer.exit_code == DONE else None
        if keyring:
            shown += explain_keyring(keyring)
        fields = {
            **answer.fields,
            "option_file": str(option_file) if written else "",
            "replication_statement": statement,
            "keyring": describe_keyring(keyring) if keyring else None,
        }
        return replace(answer, fields=fields, shown=shown)

    def plan(self, options: dict[str, Any]) -> RestorePlan:
        """Find what would be restored, and check everything."""
        wanted = PlannedRestore(
            self.find_copy(options),
            options["to"].absolute(),
            raw=options["raw"],
            no_start=options["no_start"],
            owner=options["owner"],
            mysqld=chosen_mysqld(options),
            goal=replay_goal(options),
        )
        return plan_restore(wanted, settings.MYSQLD)

    def find_copy(self, options: dict[str, Any]) -> BackupCopy:
        goal = replay_goal(options)
        instance = Instance.objects.filter(name=options["label"]).first()
        if instance is None:
            return super().find_copy(options)
        if goal is None:
            raise BadInput(
                f"{options['label']} is an instance, not a backup",
                hint="Name a backup, or say up to where binlogs are replayed, with --until.",
            )
        copy = choose_copy(instance, goal, options["repository"])
        # From here on it is that backup's restore.
        options["label"] = copy.backup.label
        return copy

    def create_job(self, copy: BackupCopy, options: dict[str, Any], *, wake: bool) -> Job:
        target = options["to"].absolute()
        return create_restore_job(
            copy,
            target,
            raw=options["raw"],
            no_start=options["no_start"],
            owner=options["owner"],
            mysqld=chosen_mysqld(options),
            replay=goal.as_parameters() if (goal := replay_goal(options)) else None,
            wake=wake,
        )


def read_settings(file: Path) -> str:
    """Return the option file the restore wrote; blank if its worker is on another host."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""


def keyring_for(options: dict[str, Any]) -> Path | None:
    """Return the path of the keyring of the restored files; None if none is needed."""
    keyring = details_of(Backup.objects.get(label=options["label"])).keyring_file
    return options["to"].absolute() / keyring if keyring else None


def replication_of(options: dict[str, Any]) -> str:
    """Return the statement that makes a restored MySQL a replica; blank for other servers."""
    backup = Backup.objects.select_related("instance").get(label=options["label"])
    version = parse_version(backup.server_version)
    if backup.engine != CLONE or version is None:
        return ""
    if replay_goal(options) is not None and not backup.gtid_executed:
        # It has gone on from the backup's position: the job's last stage says where to.
        return ""
    return replication_statement(
        version,
        host=backup.instance.host,
        port=backup.instance.port,
        binlog_file=backup.binlog_file,
        binlog_position=backup.binlog_position,
        gtid_executed=backup.gtid_executed,
    )
