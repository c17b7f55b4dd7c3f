"""Export the fleet configuration as YAML, without passwords."""

from __future__ import annotations

from typing import Any

from backups.management.output import Answer, MooringCommand
from monitor.configuration.export import build_document, dump


class Command(MooringCommand):
    help = (
        "Export instances, groups, schedules, objectives and rule settings as YAML, without "
        "passwords."
    )

    def answer(self, options: dict[str, Any]) -> Answer:
        document = build_document()
        return Answer(document, [dump(document).rstrip()])
