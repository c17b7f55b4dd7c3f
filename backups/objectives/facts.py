"""Which rows tell whether instances are recoverable within their objectives?

A constant number of queries for any number of instances; but for one more for each that has an
RTO and a binlog archive: how much is to be replayed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, Max, OuterRef, Q, Subquery

from backups.binlog_archive.recovery.coverage import recoverable_to
from backups.catalog.evidence import without_faults
from backups.exceptions import BadInput
from backups.health.protection_facts import schedules_of
from backups.health.usable import lasting_copies
from backups.models import (
    Backup,
    BackupSchedule,
    BinlogArchive,
    Evidence,
    Instance,
    RecoverableRange,
)
from backups.models.catalog import Origin
from backups.objectives.book import load_objectives
from backups.objectives.judging import ObjectiveFacts, PredictedRecovery
from backups.objectives.narrowest import Objectives
from backups.restores.estimates import Estimate, predicted
from backups.restores.next_recovery import bytes_to_replay
from backups.restores.stage_times import StageTimes
from backups.schedule import longest_pause
from backups.states import CHOSEN_KINDS, Operation


@dataclass(frozen=True, slots=True)
class KnownRows:
    """The rows of some instances, by instance."""

    objectives: Mapping[int, Objectives]
    backups: Mapping[int, Backup]
    archives: Mapping[int, BinlogArchive]
    spans: Mapping[int, RecoverableRange]
    pauses: Mapping[int, timedelta]
    proven: Mapping[int, datetime]
    times: StageTimes


def load_known(instances: Sequence[Instance], now: datetime) -> KnownRows:
    """Read what is known of these instances."""
    ids = [instance.pk for instance in instances]
    objectives = load_objectives(ids)
    spans = RecoverableRange.objects.filter(instance__in=ids, open=True)
    archives = BinlogArchive.objects.filter(instance__in=ids, enabled=True)
    timed = [instance for instance in instances if objectives[instance.pk].rto is not None]
    return KnownRows(
        objectives,
        _newest_backups(ids),
        {archive.instance_id: archive for archive in archives},
        {span.instance_id: span for span in spans.select_related("newest_backup", "timeline")},
        _longest_pauses(ids, now),
        _proven(ids),
        StageTimes(timed),
    )


def facts_of(instance: Instance, known: KnownRows, now: datetime) -> ObjectiveFacts:
    """Return the facts of one of the instances; what trends say is added later."""
    archive, span = known.archives.get(instance.pk), known.spans.get(instance.pk)
    backup = known.backups.get(instance.pk)
    moments = [backup.ended_at] if backup is not None else []
    if archive is not None and span is not None:
        moments.append(recoverable_to(archive, span))
    objectives = known.objectives[instance.pk]
    recovery = PredictedRecovery()
    if objectives.rto is not None:
        recovery = _recovery(_estimate(instance, known))
    return ObjectiveFacts(
        now=now,
        objectives=objectives,
        reached_at=max(moments, default=None),
        archived=archive is not None and span is not None,
        longest_pause=known.pauses.get(instance.pk),
        recovery=recovery,
    )


def _estimate(instance: Instance, known: KnownRows) -> Estimate:
    archive, span = known.archives.get(instance.pk), known.spans.get(instance.pk)
    if archive is not None and span is not None:
        replayed = bytes_to_replay(archive, span)
        return predicted(instance, span.newest_backup, replayed or None, known.times)
    backup = known.backups.get(instance.pk)
    if backup is None:
        return Estimate(None, "no backup can be restored")
    return predicted(instance, backup, None, known.times)


def _recovery(estimate: Estimate) -> PredictedRecovery:
    found = estimate.prediction
    if found is None:
        return PredictedRecovery(middle=estimate.length, basis=estimate.basis)
    ends = (found.low, found.high) if found.is_interval else (None, None)
    return PredictedRecovery(ends[0], found.middle, ends[1], estimate.basis)


def _newest_backups(ids: Sequence[int]) -> dict[int, Backup]:
    """Return the newest backup of each instance that a restore can begin with."""
    sound = without_faults(lasting_copies()).filter(backup=OuterRef("pk"))
    whole = Backup.objects.filter(instance=OuterRef("pk")).exclude(kind__in=CHOSEN_KINDS)
    usable = whole.filter(Exists(sound) | Q(origin=Origin.OBSERVED)).order_by("-ended_at", "-id")
    newest = Instance.objects.filter(pk__in=ids).values_list(
        "pk", Subquery(usable.values("pk")[:1])
    )
    by_instance = {pk: backup for pk, backup in newest if backup is not None}
    rows = Backup.objects.in_bulk(list(by_instance.values()))
    return {pk: rows[backup] for pk, backup in by_instance.items() if backup in rows}


def _longest_pauses(ids: Sequence[int], now: datetime) -> dict[int, timedelta]:
    """Return the longest time between two planned backups, of the most frequent schedule."""
    pauses: dict[int, timedelta | None] = {}

    def pause_of(schedule: BackupSchedule) -> timedelta | None:
        if schedule.pk not in pauses:
            try:
                pauses[schedule.pk] = longest_pause(schedule.rhythm, now)
            except BadInput:
                # Its time zone is no longer known: that is reported where it is planned.
                pauses[schedule.pk] = None
        return pauses[schedule.pk]

    found = {}
    for pk, schedules in schedules_of(ids).items():
        whole = [each for each in schedules if not each.kinds <= set(CHOSEN_KINDS)]
        lengths = [pause for each in whole if (pause := pause_of(each)) is not None]
        if lengths:
            found[pk] = min(lengths)
    return found


def _proven(ids: Sequence[int]) -> dict[int, datetime]:
    passed = Evidence.objects.current().filter(
        operation=Operation.RESTORE_TEST, passed=True, copy__backup__instance__in=ids
    )
    # One of a partial backup says nothing of the instance.
    passed = passed.exclude(copy__backup__kind__in=CHOSEN_KINDS)
    newest = passed.order_by().values("copy__backup__instance").annotate(at=Max("created_at"))
    return {row["copy__backup__instance"]: row["at"] for row in newest}
