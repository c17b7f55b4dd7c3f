"""Restore a backup into an empty folder, ready for a server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from rich.text import Text

from backups.catalog.facts import details_of
from backups.engines.clone.keyring import describe_keyring, explain_keyring
from backups.jobs.request import create_restore_job
from backups.management.copy_command import CopyCommand, add_mysqld_option, chosen_mysqld
from backups.management.output import DONE, Answer
from backups.models import Backup, BackupCopy, Job
from backups.programs.compatibility import CLONE, parse_version
from backups.restores.option_file import OPTION_FILE
from backups.restores.replication import replication_statement


class Command(CopyCommand):
    help = "Restore a backup into an empty folder, ready for a server."

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
        add_mysqld_option(parser)

    def answer(self, options: dict[str, Any]) -> Answer:
        answer = super().answer(options)
        statement = replication_of(options["label"]) if answer.exit_code == DONE else ""
        shown = list(answer.shown)
        option_file = options["to"].absolute() / OPTION_FILE
        settings = read_settings(option_file) if answer.exit_code == DONE else ""
        if settings:
            shown += [f"To start a server on it, use {option_file}:", Text(settings.rstrip())]
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
            "option_file": str(option_file) if settings else "",
            "replication_statement": statement,
            "keyring": describe_keyring(keyring) if keyring else None,
        }
        return replace(answer, fields=fields, shown=shown)

    def create_job(self, copy: BackupCopy, options: dict[str, Any], *, wake: bool) -> Job:
        target = options["to"].absolute()
        return create_restore_job(
            copy,
            target,
            raw=options["raw"],
            no_start=options["no_start"],
            owner=options["owner"],
            mysqld=chosen_mysqld(options),
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


def replication_of(label: str) -> str:
    """Return the statement that makes a restored MySQL a replica; blank for other servers."""
    backup = Backup.objects.select_related("instance").get(label=label)
    version = parse_version(backup.server_version)
    if backup.engine != CLONE or version is None:
        return ""
    return replication_statement(
        version,
        host=backup.instance.host,
        port=backup.instance.port,
        binlog_file=backup.binlog_file,
        binlog_position=backup.binlog_position,
        gtid_executed=backup.gtid_executed,
    )
