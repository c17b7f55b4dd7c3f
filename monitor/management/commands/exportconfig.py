"""Write the fleet's configuration as YAML. No password is in it."""

from __future__ import annotations

from typing import Any

from backups.management.output import Answer, MooringCommand
from monitor.configuration.export import build_document, dump


class Command(MooringCommand):
    help = "Write instances, groups, schedules and rules as YAML. No password is in it."

    def answer(self, options: dict[str, Any]) -> Answer:
        document = build_document()
        return Answer(document, [dump(document).rstrip()])
