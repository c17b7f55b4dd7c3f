"""What is in a report? Plain JSON, from which every other form of it is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q

from backups.evidence_chain.content import content_of
from backups.evidence_report.controlled import Demands, control_facts
from backups.evidence_report.controls import judge_controls
from backups.evidence_report.period import Period
from backups.health.protection_facts import Schedules, schedules_of
from backups.models import (
    Activity,
    Backup,
    EvidenceChain,
    EvidenceLink,
    Instance,
    InstanceGroup,
    Occurrence,
)
from backups.models.activity import Verb
from backups.states import Operation, WaitReason

FORMAT = 1
# Any: JSON.
Json = dict[str, Any]
_ROWS = ("evidence", "drill", "rehearsal")


def collect(period: Period, group: InstanceGroup | None, demands: Demands, now: datetime) -> Json:
    """Return the whole report of a month."""
    rows = Instance.objects.filter(created_at__lt=period.until).order_by("name")
    instances = list(rows.filter(groups=group) if group else rows)
    schedules = schedules_of([instance.pk for instance in instances])
    history_from = now - timedelta(days=settings.HISTORY_DAYS)
    return {
        "format": FORMAT,
        "month": period.name,
        "since": _moment(period.since),
        "until": _moment(period.until),
        "created_at": _moment(now),
        # Planned runs from before that may be deleted already.
        "history_from": _moment(history_from) if history_from > period.since else None,
        "group": group.name if group else None,
        "instances": [_of_instance(row, period, demands, schedules, now) for row in instances],
        "activity": list(_activity(period, instances if group else None)),
    }


def _of_instance(
    instance: Instance, period: Period, demands: Demands, schedules: Schedules, now: datetime
) -> Json:
    runs = list(_runs(instance, period))
    facts = control_facts(instance, period, now, demands, schedules)
    chain = _chain(instance, period)
    return {
        "name": instance.name,
        "uuid": str(instance.uuid),
        "enabled": instance.enabled,
        "runs": runs,
        "counts": dict(Counter(run["status"] for run in runs)),
        "backups": list(_backups(instance, period)),
        "controls": [asdict(control) for control in judge_controls(facts)],
        "recovery_us": _longest_recovery(chain),
        "chain": chain,
    }


def _runs(instance: Instance, period: Period) -> Iterator[Json]:
    """Yield each planned run, and why it did not succeed."""
    rows = Occurrence.objects.filter(
        instance=instance, due_at__gte=period.since, due_at__lt=period.until
    )
    for row in rows.select_related("schedule", "job").order_by("due_at", "pk"):
        reason = WaitReason(row.reason).label if row.reason else ""
        failed = row.job.error if row.job and row.status != "succeeded" else ""
        yield {
            "due_at": _moment(row.due_at),
            "schedule": row.schedule.name,
            "operation": row.schedule.operation,
            "kind": row.kind if row.schedule.operation == Operation.BACKUP else "",
            "status": row.status,
            "why": ": ".join(part for part in (reason, row.detail or failed) if part),
            "attempts": row.attempts,
            "started_at": _moment(row.job.started_at) if row.job else None,
            "ended_at": _moment(row.ended_at),
        }


def _backups(instance: Instance, period: Period) -> Iterator[Json]:
    rows = Backup.objects.filter(
        instance=instance, ended_at__gte=period.since, ended_at__lt=period.until
    )
    for row in rows.prefetch_related("copies__repository").order_by("ended_at", "pk"):
        yield {
            "label": row.label,
            "uuid": str(row.uuid),
            "kind": row.kind,
            "origin": row.origin,
            "started_at": _moment(row.started_at),
            "ended_at": _moment(row.ended_at),
            "copies": [
                {
                    "repository": copy.repository.name,
                    "status": copy.status,
                    "encrypted": copy.encrypted,
                    "stored_bytes": copy.stored_bytes,
                    "manifest_digest": copy.manifest_digest,
                }
                for copy in row.copies.all()
            ],
        }


def _chain(instance: Instance, period: Period) -> Json:
    """Return the links from the first row of the period to the head, with the period's rows."""
    chain = EvidenceChain.objects.filter(instance=instance).first()
    head = {"length": chain.length, "head": chain.head} if chain else {"length": 0, "head": ""}
    within = Q()
    for name in _ROWS:
        created = f"{name}__created_at"
        within |= Q(**{f"{created}__gte": period.since, f"{created}__lt": period.until})
    mine = EvidenceLink.objects.filter(instance=instance, number__lte=head["length"])
    first = mine.filter(within).order_by("number").first()
    links = mine.filter(number__gte=first.number).order_by("number") if first else mine.none()
    related = (*_ROWS, *(f"{name}__copy__backup" for name in _ROWS))
    return head | {
        "links": [
            _link(link, period) for link in links.select_related(*related).iterator(chunk_size=500)
        ]
    }


def _link(link: EvidenceLink, period: Period) -> Json:
    row = link.row
    shown = row is not None and period.since <= row.created_at < period.until
    return {
        "number": link.number,
        "content_digest": link.content_digest,
        "previous": link.previous,
        "digest": link.digest,
        "content": content_of(row) if row is not None and shown else None,
    }


def _longest_recovery(chain: Json) -> int | None:
    """Return the longest recovery that passed in the period, in microseconds."""
    contents = [link["content"] for link in chain["links"] if link["content"] is not None]
    times = [content.get("recovery_us") for content in contents if content["passed"]]
    return max((time for time in times if time is not None), default=None)


def _activity(period: Period, instances: Sequence[Instance] | None) -> Iterator[Json]:
    """Yield who changed what; of a group also what belongs to no instance."""
    rows = Activity.objects.filter(at__gte=period.since, at__lt=period.until)
    rows = rows.exclude(verb__in=[Verb.LOGGED_IN, Verb.LOGGED_OUT])
    if instances is not None:
        rows = rows.filter(instance_name__in=["", *(row.name for row in instances)])
    for row in rows.order_by("pk").iterator():
        yield {
            "at": _moment(row.at),
            "actor": row.actor,
            "via": row.via,
            "address": row.address,
            "verb": row.verb_label,
            "kind": row.kind,
            "name": row.name,
            "instance": row.instance_name,
            "details": row.details,
        }


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
