"""One night of a whole Mooring: its real ticks in beat's order, a worker, a clock that is moved.

What is not real is named here: the broker, the instances, how full the disk is, and the engine.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from celery import Celery, Task
from django.utils.module_loading import import_string
from kombu.exceptions import OperationalError

from alerts.models import Alert
from alerts.states import OPEN_ALERT_STATUSES
from alerts.tasks import send_channel
from backups import tasks
from backups.exceptions import InstanceUnreachable, Refused
from backups.executor.execute import worker_name
from backups.health import clock_jump
from backups.health.heartbeats import record_worker_heartbeat
from backups.instances import reachability
from backups.models import Job
from backups.retention import repository_clocks
from backups.running.run import Run
from backups.stages.backup.work import BackupWork
from backups.stages.base import PlainStage
from backups.states import JobStatus
from backups.tasks import read_one_history, run_job
from backups.transitions.jobs import claim
from monitor.celery import EVERY_SECONDS, OUTSIDE_EVERY_SECONDS
from tests.alerts.receiver import Receiver
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import Running

# A Monday. Every schedule is due at this moment unless its scenario says otherwise.
DUE = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
ROUND = timedelta(minutes=1)
PLAN = {**EVERY_SECONDS, **OUTSIDE_EVERY_SECONDS}
GIB = 2**30
AWAY = "cannot connect to 127.0.0.1:3306: nothing listens there"


@dataclass
class Broker:
    """What beat and Mooring sent, until a worker takes it."""

    away: bool = False
    messages: list[tuple[Task[..., None], Any]] = field(default_factory=list)

    # Any: what a task is called with is its own affair.
    def listen(self, patch: pytest.MonkeyPatch) -> None:
        def send(app: Celery, name: str, arguments: tuple[Any, ...], *_: Any, **__: Any) -> None:
            if self.away:
                raise OperationalError("connection refused")
            self.messages.append((app.tasks[name], arguments))

        patch.setattr(Celery, "send_task", send)

    # Any: whatever would connect to a broker.
    def full_queues(self, connection: Any, queues: set[str]) -> set[str]:
        if self.away:
            raise OperationalError("connection refused")
        return set()

    def take(self, *wanted: Task[..., None]) -> list[tuple[Task[..., None], Any]]:
        taken = [message for message in self.messages if message[0] in wanted]
        self.messages = [message for message in self.messages if message[0] not in wanted]
        return taken


class Night:
    """Moves the clock and does everything that would happen meanwhile."""

    def __init__(
        self, clock: time_machine.Traveller, engine: FakeEngine, receiver: Receiver
    ) -> None:
        self.clock, self.engine, self.receiver = clock, engine, receiver
        self.broker = Broker()
        self.scheduler = self.worker = True
        # A worker that claims a job and never renews its lease.
        self.dies = False
        # Instances that do not answer, and what the disk of every repository has left.
        self.away: set[str] = set()
        # Why preflight refuses every backup; blank: it does not.
        self.refusal = ""
        self.free = 800 * GIB
        self.jobs: list[Running] = []
        self._last: dict[str, datetime] = {}

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def until(self, moment: datetime | timedelta) -> None:
        """Let time pass, a round of ticks every minute."""
        moment = DUE + moment if isinstance(moment, timedelta) else moment
        while self.now < moment:
            self.clock.move_to(min(self.now + ROUND, moment))
            self.round()

    def jump(self, by: timedelta) -> None:
        """Set the clock, as a person or a time server does."""
        self.clock.move_to(self.now + by)

    def round(self, *, alive: bool = True) -> None:
        """Do what beat, the workers and the senders do in one go."""
        if alive:
            self._live()
        if self.scheduler:
            for name, seconds in PLAN.items():
                self._tick(name, timedelta(seconds=seconds))
        self._work()

    # Any: JSON.
    def messages(self) -> list[dict[str, Any]]:
        """What arrived at the webhook."""
        return [json.loads(got.body) for got in self.receiver.received]

    def notified(self) -> list[str]:
        """The messages that arrived at the webhook, each by its title."""
        return [message["title"] for message in self.messages()]

    def standing(self) -> list[str]:
        alerts = Alert.objects.filter(status__in=OPEN_ALERT_STATUSES)
        return sorted(alerts.values_list("rule", flat=True))

    def _tick(self, name: str, every: timedelta) -> None:
        last = self._last.get(name)
        # Beat forgets nothing: a tick that it could not start is started when it is back.
        if last is None or not timedelta(0) <= self.now - last < every:
            self._last[name] = self.now
            import_string(name)()

    def _live(self) -> None:
        """The signs of life of workers, which threads of theirs give."""
        if not self.worker:
            return
        record_worker_heartbeat("worker@here:1", ["copy", "transfer"], self.now, self.now)
        mine = [job.job.pk for job in self.jobs]
        Job.objects.filter(pk__in=mine, status=JobStatus.RUNNING).update(
            lease_expires_at=self.now + timedelta(seconds=60)
        )

    def _work(self) -> None:
        for task, arguments in self.broker.take(send_channel, read_one_history):
            task(*arguments)
        if self.worker:
            for _, (job_id,) in self.broker.take(run_job):
                self._run(job_id)

    def _run(self, job_id: int) -> None:
        job = Job.objects.get(pk=job_id)
        if self.dies:
            key = f"instance:{job.instance_id}"
            if claim(job, worker=worker_name(), exclusive_key=key, now=self.now):
                self.worker = self.dies = False
        elif self.engine.blocks_after is not None and job.status == JobStatus.PENDING:
            self.jobs.append(Running(job))
            self.jobs[-1].reach(self.engine.blocked)
        else:
            run_job(job_id)

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        """Put the night's own broker, instances and disk in the place of real ones."""
        self.broker.listen(patch)
        patch.setattr(tasks, "full_queues", self.broker.full_queues)
        patch.setattr(reachability, "connect", self._connect)
        # The clocks of a database server and of disks are not moved with ours.
        patch.setattr(clock_jump, "database_clock", lambda: None)
        patch.setattr(repository_clocks, "repository_clock", lambda _: None)
        patch.setattr(reachability, "fetch_identity", lambda _: "")
        patch.setattr(shutil, "disk_usage", self._disk_usage)

    def _disk_usage(self, folder: Path) -> SimpleNamespace:
        folder.stat()
        return SimpleNamespace(free=self.free, total=1000 * GIB)

    # Any: stands for a connection that is only asked whether it answers, and closed.
    def _connect(self, login: Any, **_: Any) -> Any:
        if login.host in self.away:
            raise InstanceUnreachable(AWAY)
        return SimpleNamespace(close=lambda: None)


class Connect(PlainStage[BackupWork]):
    """In the place of the stage of that name: does the instance answer?"""

    name = "connect"

    def __init__(self, night: Night) -> None:
        self.night = night

    def run(self, run: Run, work: BackupWork) -> str:
        if work.job.instance.host in self.night.away:
            raise InstanceUnreachable(AWAY)
        return ""


class RunPreflight(PlainStage[BackupWork]):
    """In the place of the stage of that name: does a check refuse the backup?"""

    name = "preflight"
    may_refuse = True

    def __init__(self, night: Night) -> None:
        self.night = night

    def run(self, run: Run, work: BackupWork) -> str:
        if self.night.refusal:
            raise Refused(self.night.refusal, hint="Purge backups.")
        return ""
