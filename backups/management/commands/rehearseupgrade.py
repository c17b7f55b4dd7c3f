"""Rehearses an upgrade on a backup: restores it, upgrades it with a newer server, checks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from backups.exceptions import BadInput
from backups.jobs.request import create_copy_job
from backups.management.copy_command import CopyCommand
from backups.models import BackupCopy, Job
from backups.parameters import RehearsalParameters
from backups.restores.own_checks import MOST_BYTES, parse_own_checks
from backups.states import Operation


class Command(CopyCommand):
    help = (
        "Restore a backup to a scratch folder, have a server of a newer series upgrade it, and "
        "check every table. It is no proof of the backup, and no evidence against it. From MariaDB "
        "10.11 to 11.8 this is tested; with MySQL it has not been tested on a real upgrade."
    )

    def add_options(self, parser: CommandParser) -> None:
        super().add_options(parser)
        parser.add_argument(
            "--mysqld",
            type=Path,
            required=True,
            metavar="PATH",
            help="Server program of the newer series on the worker's host. For MariaDB its "
            "mariadb-upgrade has to be beside it.",
        )
        parser.add_argument(
            "--sql",
            type=Path,
            metavar="FILE",
            help="Own checks: SELECT statements, each ended by a semicolon at the end of a line. "
            "Each passes if it returns a row whose first column is neither NULL, 0 nor blank.",
        )

    def create_job(self, copy: BackupCopy, options: dict[str, Any], *, wake: bool) -> Job:
        parameters = RehearsalParameters(
            str(options["mysqld"].absolute()), read_own_checks(options["sql"])
        )
        return create_copy_job(Operation.REHEARSAL, copy, parameters=parameters, wake=wake)


def read_own_checks(file: Path | None) -> str:
    """Return the text of a file of own checks, or raise BadInput; blank without one."""
    if file is None:
        return ""
    try:
        with file.open("rb") as opened:
            text = opened.read(MOST_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError) as exc:
        why = getattr(exc, "strerror", None) or "it is not UTF-8 text"
        raise BadInput(f"{file} cannot be read: {why}") from None
    if not parse_own_checks(text):
        raise BadInput(f"{file} holds no statement")
    return text
