"""The options and the flow shared by the commands that work on a stored backup."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.catalog.copies import copy_to_read, named_copy
from backups.executor.leftovers import clear_up_here
from backups.management.follow import run_and_follow
from backups.management.output import Answer, MooringCommand
from backups.models import BackupCopy, Job


class CopyCommand(MooringCommand):
    """Options for label, copy and place of execution; a subclass creates the job."""

    # Whether there is another way to say what is worked on.
    label_optional = False
    # Whether it reads the copy, so that the best one is chosen where none is named.
    reads_copy = True

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("label", nargs="?" if self.label_optional else None)
        parser.add_argument("--repository", help="Use the copy in this repository.")
        parser.add_argument(
            "--foreground",
            action="store_true",
            help="Run it in this process, without worker and broker.",
        )

    def find_copy(self, options: dict[str, Any]) -> BackupCopy:
        """Return the copy to work on, or raise BadInput."""
        find = copy_to_read if self.reads_copy else named_copy
        return find(options["label"], options["repository"])

    def request(self, options: dict[str, Any], *, wake: bool) -> Job:
        """Find the copy, and request the job."""
        return self.create_job(self.find_copy(options), options, wake=wake)

    @abstractmethod
    def create_job(self, copy: BackupCopy, options: dict[str, Any], *, wake: bool) -> Job: ...

    def answer(self, options: dict[str, Any]) -> Answer:
        if options["foreground"]:
            clear_up_here(now())
        job = self.request(options, wake=not options["foreground"])
        console = self.progress_console(options)
        return run_and_follow(job, console, foreground=options["foreground"])


def add_mysqld_option(parser: CommandParser) -> None:
    parser.add_argument(
        "--mysqld",
        type=Path,
        metavar="PATH",
        help="MySQL server program of the backup's series; needed only for MySQL backups.",
    )


def chosen_mysqld(options: dict[str, Any]) -> str:
    """Return the absolute path for a worker elsewhere; blank if none was given."""
    return str(options["mysqld"].absolute()) if options["mysqld"] else ""
