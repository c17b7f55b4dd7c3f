"""Says whether the copies of instances are many and far enough apart: 3-2-1-1-0."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now
from rich.console import RenderableType

from backups.health.spread_rows import spread_of
from backups.management.output import DONE, FAILED, Answer, MooringCommand, table
from backups.management.rows import named_instance
from backups.models import Instance


class Command(MooringCommand):
    help = (
        "Check each instance for three copies of its data, on two media, one at another site, one "
        "that nobody can delete, and no errors. Exit code 1 if anything is missing."
    )

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance", nargs="?", help="Only this one.")

    def answer(self, options: dict[str, Any]) -> Answer:
        name = options["instance"]
        chosen = Instance.objects.filter(enabled=True).order_by("name")
        instances = [named_instance(name)] if name else list(chosen)
        spread = spread_of(instances, now())
        rows, lacking = [], 0
        for instance in instances:
            for answer in spread[instance.pk]:
                lacking += answer.met is False
                rows.append((instance.name, answer.wanted, answer.tone, answer.found))
        hints = [
            f"{instance.name}: {answer.missing}"
            for instance in instances
            for answer in spread[instance.pk]
            if answer.missing
        ]
        shown: list[RenderableType] = [table(("instance", "wanted", "result", "found"), rows)]
        fields = {
            "instances": [
                {
                    "instance": instance.name,
                    "answers": [
                        {"wanted": answer.wanted, "met": answer.met, "found": answer.found}
                        for answer in spread[instance.pk]
                    ],
                }
                for instance in instances
            ]
        }
        return Answer(fields, [*shown, *hints], FAILED if lacking else DONE)
