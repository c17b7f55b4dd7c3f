"""Which alerts are there now? Asks the rules, and brings the alerts in line.

``evaluate_changed`` looks at what something happened to, every few seconds; ``evaluate_all``
at the whole fleet, every few minutes, for what only time makes wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime

from django.db import Error as DatabaseFault
from django.db.models import QuerySet

from alerts.evaluation.apply import MovedAlerts, apply_answers
from alerts.evaluation.changes import load_changes, move_cursor
from alerts.evaluation.findings import Answers, ask, broken_rule
from alerts.evaluation.thresholds import SettingsBook, load_settings
from alerts.facts import Facts, load_fleet_facts, load_site_facts
from alerts.models import Alert
from alerts.rules import RULE_BROKEN
from alerts.states import OPEN_ALERT_STATUSES
from backups.models import Instance

logger = logging.getLogger(__name__)

CHUNK = 1000


def evaluate_changed(now: datetime) -> MovedAlerts:
    """Look at what happened since the last time, and at what all instances share."""
    book = load_settings()
    changes, reached = load_changes(now)
    broken: dict[str, str] = {}
    outcome = MovedAlerts()
    for ids in chunks(sorted(changes.instance_ids)):
        outcome += _evaluate_instances(ids, book, now, broken, changes.ended_jobs)
    outcome += _evaluate_site(book, now, broken)
    # What answers for these may still be broken for others: only the sweep says it is whole.
    outcome += _tell_broken(broken, now, whole=False)
    move_cursor(reached)
    return outcome


def evaluate_all(now: datetime) -> MovedAlerts:
    """Look at everything."""
    book = load_settings()
    broken: dict[str, str] = {}
    outcome = MovedAlerts()
    for ids in chunks(list(Instance.objects.order_by("id").values_list("id", flat=True))):
        outcome += _evaluate_instances(ids, book, now, broken)
    outcome += _evaluate_site(book, now, broken)
    return outcome + _tell_broken(broken, now, whole=True)


def chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut a fleet into pieces whose facts fit into memory."""
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


def _evaluate_instances(
    ids: Sequence[int],
    book: SettingsBook,
    now: datetime,
    broken: dict[str, str],
    ended_jobs: Collection[int] = (),
) -> MovedAlerts:
    standing = _open_alerts().filter(instance__in=ids)
    held = [job for job in standing.values_list("job_id", flat=True) if job is not None]
    return _judge(
        lambda: load_fleet_facts(ids, now, held_jobs=held, ended_jobs=ended_jobs),
        "facts of instances",
        book,
        standing,
        now,
        broken,
    )


def _evaluate_site(book: SettingsBook, now: datetime, broken: dict[str, str]) -> MovedAlerts:
    standing = _open_alerts().filter(instance=None).exclude(rule=RULE_BROKEN.name)
    return _judge(lambda: load_site_facts(now), "facts of the site", book, standing, now, broken)


def _judge(
    load: Callable[[], Iterable[Facts]],
    what: str,
    book: SettingsBook,
    standing: QuerySet[Alert],
    now: datetime,
    broken: dict[str, str],
) -> MovedAlerts:
    """Ask the rules about some facts. Facts that cannot be read are told like a broken rule.

    Their alerts stay as they are, and whatever else there is to ask about is asked.
    """
    try:
        facts = list(load())
    except DatabaseFault:
        # The database is away: nothing could be told either, and the next tick looks again.
        raise
    except Exception as exc:
        logger.exception("%s cannot be read", what, extra={"action": "facts_unreadable"})
        broken[what] = f"{type(exc).__name__}: {exc}"[:400]
        return MovedAlerts()
    answers = ask(facts, book)
    broken.update(answers.broken)
    return apply_answers(answers, standing, now)


def _tell_broken(broken: dict[str, str], now: datetime, *, whole: bool) -> MovedAlerts:
    """Raise an alert about each rule that threw; end the others' after a whole sweep."""
    answers = Answers()
    for name, words in broken.items():
        said = broken_rule(name, words)
        answers.said[said.key] = said
    standing = _open_alerts().filter(rule=RULE_BROKEN.name)
    if not whole:
        standing = standing.filter(subject__in=[f"rule:{name}" for name in broken])
    return apply_answers(answers, standing, now)


def _open_alerts() -> QuerySet[Alert]:
    return Alert.objects.filter(status__in=OPEN_ALERT_STATUSES)
