"""Which alerts are open now? Checks the rules and updates the alerts.

``evaluate_changed`` evaluates what has changed, every few seconds; ``evaluate_all`` evaluates the
whole fleet, every few minutes, for problems that only the passing of time creates.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime

from django.db import Error as DatabaseFault
from django.db.models import QuerySet

from alerts.evaluation.apply import EvaluationOutcome, apply_results
from alerts.evaluation.changes import load_changes, move_cursor
from alerts.evaluation.findings import RuleResults, check_rules, result_of_broken_rule
from alerts.evaluation.thresholds import SettingsBook, load_settings
from alerts.facts import Facts, load_fleet_facts, load_site_facts
from alerts.models import Alert
from alerts.rules import COPIES_NOT_SPREAD, RULE_BROKEN
from alerts.states import OPEN_ALERT_STATUSES
from backups.models import Instance

logger = logging.getLogger(__name__)

CHUNK = 1000


def evaluate_changed(now: datetime) -> EvaluationOutcome:
    """Evaluate what changed since the last run, and what all instances share."""
    book = load_settings()
    changes, reached = load_changes(now)
    broken: dict[str, str] = {}
    outcome = EvaluationOutcome()
    for ids in chunks(sorted(changes.instance_ids)):
        outcome += _evaluate_instances(ids, book, now, broken, changes.ended_jobs)
    outcome += _evaluate_site(book, now, broken)
    # A rule that works for these may still fail for others: only ``evaluate_all`` can tell that
    # it works for every subject.
    outcome += _report_broken(broken, now, complete=False)
    move_cursor(reached)
    return outcome


def evaluate_all(now: datetime) -> EvaluationOutcome:
    """Evaluate everything."""
    book = load_settings()
    broken: dict[str, str] = {}
    outcome = EvaluationOutcome()
    for ids in chunks(list(Instance.objects.order_by("id").values_list("id", flat=True))):
        outcome += _evaluate_instances(ids, book, now, broken)
    outcome += _evaluate_site(book, now, broken)
    return outcome + _report_broken(broken, now, complete=True)


def chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Split a fleet into chunks whose facts fit into memory."""
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


def _evaluate_instances(
    ids: Sequence[int],
    book: SettingsBook,
    now: datetime,
    broken: dict[str, str],
    ended_jobs: Collection[int] = (),
) -> EvaluationOutcome:
    open_before = _open_alerts().filter(instance__in=ids)
    spread = book.enabled_anywhere(COPIES_NOT_SPREAD)
    held = [job for job in open_before.values_list("job_id", flat=True) if job is not None]
    return _evaluate(
        lambda: load_fleet_facts(
            ids, now, held_jobs=held, ended_jobs=ended_jobs, with_spread=spread
        ),
        "facts of instances",
        book,
        open_before,
        now,
        broken,
    )


def _evaluate_site(book: SettingsBook, now: datetime, broken: dict[str, str]) -> EvaluationOutcome:
    open_before = _open_alerts().filter(instance=None).exclude(rule=RULE_BROKEN.name)
    return _evaluate(
        lambda: load_site_facts(now), "facts of the site", book, open_before, now, broken
    )


def _evaluate(
    load: Callable[[], Iterable[Facts]],
    what: str,
    book: SettingsBook,
    open_before: QuerySet[Alert],
    now: datetime,
    broken: dict[str, str],
) -> EvaluationOutcome:
    """Check the rules on some facts. Facts that cannot be read are reported like a broken rule.

    Their alerts stay as they are, and the evaluation continues with all other facts.
    """
    try:
        facts = list(load())
    except DatabaseFault:
        # The database is unreachable: nothing can be stored; the next run evaluates again.
        raise
    except Exception as exc:
        logger.exception("%s cannot be read", what, extra={"action": "facts_unreadable"})
        broken[what] = f"{type(exc).__name__}: {exc}"[:400]
        return EvaluationOutcome()
    results = check_rules(facts, book)
    broken.update(results.broken)
    return apply_results(results, open_before, now, recheck=lambda: check_rules(list(load()), book))


def _report_broken(broken: dict[str, str], now: datetime, *, complete: bool) -> EvaluationOutcome:
    """Open an alert for each rule that raised; resolve the others after a complete run."""
    results = RuleResults()
    for name, error in broken.items():
        result = result_of_broken_rule(name, error)
        results.by_key[result.key] = result
    open_before = _open_alerts().filter(rule=RULE_BROKEN.name)
    if not complete:
        open_before = open_before.filter(subject__in=[f"rule:{name}" for name in broken])
    return apply_results(results, open_before, now)


def _open_alerts() -> QuerySet[Alert]:
    return Alert.objects.filter(status__in=OPEN_ALERT_STATUSES)
