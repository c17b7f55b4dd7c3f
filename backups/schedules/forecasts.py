"""Which planned runs will not fit their windows? Two queries for any number of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q, Window
from django.db.models.functions import Coalesce, RowNumber

from backups.exceptions import BadInput
from backups.models import Backup, BackupSchedule, Instance
from backups.pacing.facts import PaceFacts
from backups.schedule import INSTANT, upcoming
from backups.schedules.forecast import DEPTH, Forecast, PastRun, forecast_any
from backups.states import AUTO, BackupKind, Operation

# Enough for ten weekly runs; older ones tell little of the next.
LOOK_BACK = timedelta(days=100)

PastRuns = Mapping[int, Mapping[str, Sequence[PastRun]]]


@dataclass(frozen=True, slots=True)
class RunToCome:
    """One run that is planned, and until when it would have to end."""

    instance_id: int
    kind: str
    left: timedelta


def forecast_runs(runs: Sequence[RunToCome], now: datetime) -> list[Forecast]:
    """Return the forecast of each run."""
    if not runs:
        return []
    ids = {run.instance_id for run in runs}
    past = load_past_runs(ids, {kind for run in runs for kind in _kinds(run.kind)}, now)
    sizes = dict(Instance.objects.filter(pk__in=ids).values_list("pk", "data_bytes"))
    return [
        forecast_any(
            past.get(run.instance_id, {}), run.left, kind=run.kind,
            data_bytes=sizes.get(run.instance_id),
        )
        for run in runs
    ]  # fmt: skip


def forecast_next(pairs: Sequence[tuple[BackupSchedule, int]], now: datetime) -> list[Forecast]:
    """Return the forecasts of the next runs of schedules for instances, given by number."""
    schedules = {schedule.pk: schedule for schedule, _ in pairs}
    kinds = {pk: next_kind(schedule, now) for pk, schedule in schedules.items()}
    runs = [RunToCome(pk, kinds[schedule.pk], schedule.window) for schedule, pk in pairs]
    return forecast_runs(runs, now)


def next_kind(schedule: BackupSchedule, now: datetime) -> str:
    """Return the planned kind of a schedule's next run."""
    if not schedule.full_cron:
        return schedule.kind
    after = schedule.next_due_at - INSTANT if schedule.next_due_at else now
    try:
        due = next(upcoming(schedule.rhythm, after), None)
    except BadInput:
        # Its time zone is no longer known: reported where its runs are planned.
        return schedule.kind
    return schedule.kind_of(due) if due else schedule.kind


def load_past_runs(ids: Collection[int], kinds: Collection[str], now: datetime) -> PastRuns:
    """Load the newest runs of instances, by instance and kind, the newest first."""
    place = Window(
        RowNumber(),
        partition_by=[F("instance"), F("kind")],
        order_by=[F("ended_at").desc(), F("id").desc()],
    )
    # What a consolidation made has the times of the backup that it was made of.
    taken = Q(made_by=None) | Q(made_by__operation=Operation.BACKUP)
    backups = Backup.objects.filter(
        taken, instance__in=ids, kind__in=kinds, ended_at__gt=now - LOOK_BACK
    ).annotate(
        place=place,
        # The job ends later than the copy, and it is the job that has to fit.
        began_at=Coalesce("made_by__started_at", "started_at"),
        over_at=Coalesce("made_by__ended_at", "ended_at"),
    )
    rows = backups.filter(place__lte=DEPTH).order_by("instance", "kind", "-ended_at", "-id")
    found: dict[int, dict[str, list[PastRun]]] = defaultdict(lambda: defaultdict(list))
    columns = ("instance", "kind", "began_at", "over_at", "raw_bytes", "pace")
    for pk, kind, began_at, over_at, size_bytes, pace in rows.values_list(*columns):
        facts = PaceFacts.read(pace)
        limited = timedelta(seconds=facts.limited_s) if facts else None
        length = max(over_at - began_at, timedelta(0))
        found[pk][kind].append(PastRun(length, size_bytes, limited))
    return found


def _kinds(kind: str) -> tuple[str, ...]:
    return (BackupKind.FULL, BackupKind.INCREMENTAL) if kind == AUTO else (kind,)
