"""Restores a backup to a scratch folder, starts a server on it and checks every table.

With a moment, archived binlogs are replayed onto it up to there, and every table is checked again.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backups.management.copy_command import CopyCommand, add_mysqld_option, chosen_mysqld
from backups.models import BackupCopy, Instance, Job
from backups.restores.drills import WantedTest, create_restore_test_job
from backups.states import DrillPoint


class Command(CopyCommand):
    help = (
        "Restore a backup to a scratch folder, start a server on it and check every table. With "
        "--to-moment, replay archived binlogs up to there, and check every table again: a drill."
    )

    def add_options(self, parser: CommandParser) -> None:
        super().add_options(parser)
        add_mysqld_option(parser)
        parser.add_argument(
            "--to-moment",
            choices=[DrillPoint.RANDOM.value, DrillPoint.NEWEST.value],
            default=DrillPoint.BACKUP.value,
            help="Drill: go on to a random moment of the recoverable range, or to the newest. "
            "With an instance's name instead of a label, from the backup that leads there.",
        )

    def request(self, options: dict[str, Any], *, wake: bool) -> Job:
        instance = Instance.objects.filter(name=options["label"]).first()
        if instance is None:
            return super().request(options, wake=wake)
        wanted = WantedTest(
            instance,
            DrillPoint(options["to_moment"]),
            repository=options["repository"],
            mysqld=chosen_mysqld(options),
        )
        return create_restore_test_job(wanted, wake=wake)

    def create_job(self, copy: BackupCopy, options: dict[str, Any], *, wake: bool) -> Job:
        point, mysqld = DrillPoint(options["to_moment"]), chosen_mysqld(options)
        wanted = WantedTest(copy.backup.instance, point, copy, mysqld=mysqld)
        return create_restore_test_job(wanted, wake=wake)
