"""Sets the pace of a backup while it runs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backups.exceptions import BadInput
from backups.jobs.pace import limit_in_words, parse_by_hand, set_limit
from backups.management.output import Answer, MooringCommand
from backups.models import Job


class Command(MooringCommand):
    help = "Set the limit of a running backup, or lift it."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int, help="Number of the job.")
        parser.add_argument(
            "--limit",
            required=True,
            help="Bytes per second such as 20M; full: full speed, whatever the writers of the "
            "instance notice; none: as configured.",
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        job = Job.objects.select_related("instance").filter(pk=options["job"]).first()
        if job is None:
            raise BadInput(f"no job has the number {options['job']}")
        limit = parse_by_hand(options["limit"])
        set_limit(job, limit, actor="command line")
        words = limit_in_words(limit)
        fields = {"job": job.pk, "instance": job.instance.name, "limit_bytes_per_s": limit}
        return Answer(fields, [f"{job}: {words}, within seconds."])
