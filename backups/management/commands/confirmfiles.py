"""Confirms that the tool reads the files of the server that an instance connects to."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.instances.files import confirm_files
from backups.management.output import Answer, MooringCommand
from backups.management.rows import named_instance


class Command(MooringCommand):
    help = (
        "Confirm what the last check of an instance could not prove: that the files which its "
        "backup tool reads are of the server that it connects to."
    )

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="Name of the instance.")

    def answer(self, options: dict[str, Any]) -> Answer:
        instance = named_instance(options["name"])
        files = confirm_files(instance, now())
        shown = [f"{instance}: confirmed that these belong together: {files}."]
        return Answer({"name": instance.name, "files": files}, shown)
