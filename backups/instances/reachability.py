"""Can the instances be reached? A tick probes a few at a time, each at a regular interval."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from backups.exceptions import MooringError
from backups.instances.connection import connect, login_of
from backups.instances.facts import fetch_identity
from backups.instances.identity import note_server
from backups.models import Instance

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=2)
# Probes per tick, probes at the same time, and the time-out of each.
MOST = 500
AT_ONCE = 20
CONNECT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class _Answer:
    """Which server answered, or why none did."""

    fault: str = ""
    identity: str = ""


def probe_instances(now: datetime) -> int:
    """Probe the instances that are due; return how many did not answer."""
    due = _due_instances(now)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="probe") as threads:
        answers = list(threads.map(_ask, due))
    answered = [asked.pk for asked, answer in zip(due, answers, strict=True) if not answer.fault]
    Instance.objects.filter(pk__in=answered).update(
        seen_at=now, unreachable_since=None, unreachable_reason=""
    )
    for instance, answer in zip(due, answers, strict=True):
        if answer.fault:
            _record_fault(instance, answer.fault, now)
        elif answer.identity != instance.server_identity or instance.other_server:
            note_server(instance, answer.identity, now)
    return sum(bool(answer.fault) for answer in answers)


@transaction.atomic
def _due_instances(now: datetime) -> Sequence[Instance]:
    """Return the instances due, those never probed and the longest waiting first."""
    due_now = Q(next_probe_at=None) | Q(next_probe_at__lte=now)
    waiting = Instance.objects.select_for_update(skip_locked=True).filter(due_now, enabled=True)
    ordered = waiting.order_by(F("next_probe_at").asc(nulls_first=True), "id")
    due = list(ordered[:MOST])
    # Claimed before any is probed: a tick that starts meanwhile takes others.
    rows = Instance.objects.filter(pk__in=[instance.pk for instance in due])
    rows.update(next_probe_at=now + EVERY)
    return due


def _ask(instance: Instance) -> _Answer:
    """Return which server answers, or why none does. Writes no row."""
    try:
        with closing(connect(login_of(instance), connect_timeout=CONNECT_SECONDS)) as connection:
            return _Answer(identity=fetch_identity(connection))
    except MooringError as exc:
        return _Answer(fault=str(exc))
    except Exception as exc:
        # An unexpected error must not keep the others from being probed.
        logger.exception(
            "instance %s could not be probed",
            instance,
            extra={"action": "probe_failed", "instance": instance.name},
        )
        return _Answer(fault=f"unexpected {type(exc).__name__}: the log has the details")


def _record_fault(instance: Instance, fault: str, now: datetime) -> None:
    row = Instance.objects.filter(pk=instance.pk)
    row.update(unreachable_reason=fault[:500])
    row.filter(unreachable_since=None).update(unreachable_since=now)
