"""Cancels a job, and waits until it has ended."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandParser

from backups.exceptions import BadInput
from backups.jobs.cancel import request_cancel
from backups.management.follow import POLL_SECONDS, job_fields
from backups.management.output import DONE, FAILED, Answer, MooringCommand
from backups.models import Job
from backups.states import JobStatus


class Command(MooringCommand):
    help = "Cancel a job: end its processes, release its locks, remove its partial files."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int)

    def answer(self, options: dict[str, Any]) -> Answer:
        job = Job.objects.select_related("instance").filter(pk=options["job"]).first()
        if job is None:
            raise BadInput(f"no job has the number {options['job']}")
        if not request_cancel(job, actor="command line"):
            raise BadInput(f"{job} has already ended: {job.get_status_display().lower()}")
        # Cancelled, ended otherwise in the meantime, or marked as lost by a tick.
        while job.active:
            time.sleep(POLL_SECONDS)
            job.refresh_from_db()
        shown = [f"{job} {job.get_status_display().lower()}"]
        exit_code = DONE if job.status == JobStatus.CANCELLED else FAILED
        return Answer(job_fields(job), shown, exit_code)
