"""Does each rule find what it is for, at the exact edge, and nothing else?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alerts.facts.chain import Fallback, LinkShare
from alerts.facts.instance import BackupFacts
from alerts.facts.subject import Facts
from alerts.rules import RULES, AnyRule
from alerts.states import Severity
from backups.health.spread import judge_spread
from backups.norms import Norm
from backups.pacing.facts import PaceFacts
from tests.alerts.facts import GIB, NOW, WELL, D, H, M, S, ask_rule
from tests.alerts.test_objective_rules import CASES as OF_OBJECTIVES
from tests.backups.health.test_spread import GOOD

N, W, C, E = Severity.NOTICE, Severity.WARNING, Severity.CRITICAL, Severity.EMERGENCY
BACKUP = WELL[BackupFacts]["backup"]
USUAL_SIZE = Norm(10, 100 * GIB, 1 * GIB)
USUAL_TIME = Norm(10, 3600, 60)


def sized(gib: float, usual: Norm | None = USUAL_SIZE) -> dict[str, Any]:
    return {"backup": replace(BACKUP, raw_bytes=round(gib * GIB)), "usual_bytes": usual}


def lasting(length: Any, usual: Norm | None = USUAL_TIME) -> dict[str, Any]:
    backup = replace(BACKUP, started_at=NOW - length, ended_at=NOW)
    return {"backup": backup, "usual_seconds": usual}


def locked(length: Any) -> dict[str, Any]:
    return {"backup": replace(BACKUP, lock_time=length)}


def paced(**facts: Any) -> dict[str, Any]:
    return {"pace": PaceFacts(**facts)}


def free(percent: float) -> dict[str, Any]:
    return {"free_bytes": round(percent * GIB), "total_bytes": 100 * GIB}


def old(kind: str, age: Any) -> dict[str, Any]:
    return {"last_success": {kind: NOW - age}}


def waiting(length: Any, **more: Any) -> dict[str, Any]:
    return {"workers": 0, "waiting": 2, "waiting_since": NOW - length, **more}


def silent(length: Any, **more: Any) -> dict[str, Any]:
    return {"finished_at": NOW - length, **more}


def spool(percent: float) -> dict[str, Any]:
    return {"spool_free_bytes": round(percent * GIB), "spool_total_bytes": 100 * GIB}


def unreceived(length: Any, **more: Any) -> dict[str, Any]:
    return {"silent_since": NOW - length, **more}


def shares(*percent: int, **more: Any) -> dict[str, Any]:
    return {"shares": tuple(LinkShare(f"link-{share}", share / 100) for share in percent), **more}


def fallback(cause: str, *, first: bool = False, **more: Any) -> dict[str, Any]:
    return {"fallback": Fallback(3, NOW, "incremental", cause, "a reason", first=first), **more}


INCREMENTAL = {"scheduled_kinds": frozenset({"incremental"})}
BOTH = {"last_success": {"incremental": NOW - 30 * D, "full": NOW - 3 * D}}
WINDOW = {"window_closes_at": NOW}

# Rule, what is not as it should be, and how bad it finds that: None is nothing, 0 its own.
CASES: list[tuple[str, dict[str, Any], Severity | int | None]] = [
    ("job_failed", {"status": "failed"}, 0),
    ("job_failed", {"status": "failed", "retry_planned": True}, W),
    ("job_failed", {"status": "failed", "operation": "restore"}, C),
    ("job_failed", {"status": "failed", "operation": "verify", "kind": ""}, W),
    ("job_failed", {"status": "lost"}, None),
    ("job_failed", {"status": "refused"}, None),
    ("job_refused", {"status": "refused"}, 0),
    ("job_refused", {"status": "refused", "retry_planned": True}, W),
    ("job_refused", {"status": "refused", "operation": "purge"}, W),
    ("job_refused", {"status": "failed"}, None),
    ("job_lost", {"status": "lost"}, 0),
    ("job_lost", {"status": "failed"}, None),
    ("occurrence_late", {"now": NOW + 15 * M}, 0),
    ("occurrence_late", {"now": NOW + 15 * M - S}, None),
    ("occurrence_late", {"now": NOW + 15 * M, "reason": "paused"}, N),
    ("occurrence_missed", {}, 0),
    ("occurrence_missed", {"reason": "no_worker"}, 0),
    ("occurrence_missed", {"reason": "paused"}, N),
    ("occurrence_missed", {"reason": "predecessor"}, W),
    ("proof_missed", {"missed": True}, 0),
    ("proof_missed", {"missed": True, "reason": "paused"}, N),
    ("proof_missed", {}, None),
    ("proof_not_done", {}, W),
    ("proof_not_done", {"since": NOW - 7 * D + S}, N),
    ("proof_not_done", {"since": NOW - D + S}, None),
    ("proof_not_done", {"missed": True}, None),
    ("run_unfit", {}, 0),
    ("run_unfit", {"withheld": True}, 0),
    ("running_long", {"expected": H}, None),
    ("running_long", {"expected": H - S}, 0),
    ("running_long", {"expected": 50 * M, "estimated": True}, None),
    ("running_long", {"expected": 50 * M - S, "estimated": True}, 0),
    ("running_long", {}, None),
    ("running_long", WINDOW, 0),
    ("running_long", {"window_closes_at": NOW + S}, None),
    ("job_stalled", {}, None),
    ("job_stalled", {"last_output_at": NOW - 5 * M + S}, None),
    ("job_stalled", {"last_output_at": NOW - 5 * M}, W),
    ("job_stalled", {"last_output_at": NOW - 12 * M}, C),
    ("full_too_old", old("full", 7 * D - S), None),
    ("full_too_old", old("full", 7 * D), W),
    ("full_too_old", old("full", 14 * D), C),
    ("full_too_old", {"last_success": {}}, None),
    ("incremental_too_old", old("full", 20 * D), None),
    ("incremental_too_old", {**INCREMENTAL, **old("incremental", 2 * D - S)}, None),
    ("incremental_too_old", {**INCREMENTAL, **old("incremental", 2 * D)}, W),
    ("incremental_too_old", {**INCREMENTAL, **BOTH}, W),
    ("incremental_too_old", {**INCREMENTAL, "last_success": {"full": NOW - D}}, None),
    # Schedules plan full backups only: the incremental one of a month ago is history.
    ("incremental_too_old", BOTH, None),
    ("incremental_too_old", {**BOTH, "scheduled_kinds": frozenset()}, W),
    ("incremental_too_old", {"scheduled_kinds": frozenset(), **old("full", 9 * D)}, None),
    ("incremental_too_old", {**INCREMENTAL, "last_success": {}}, None),
    ("never_backed_up", {"last_success": {}, "created_at": NOW - D + S}, None),
    ("never_backed_up", {"last_success": {}, "created_at": NOW - D}, W),
    ("never_backed_up", {"last_success": {}, "created_at": NOW - 2 * D}, C),
    ("never_backed_up", {}, None),
    ("incrementals_unused", {}, 0),
    ("incrementals_unused", INCREMENTAL, None),
    ("incrementals_unused", {"last_success": {}}, None),
    ("incrementals_unused", BOTH, 0),
    (
        "incrementals_unused",
        {"last_success": {"differential": NOW - 30 * D + S, "full": NOW}},
        None,
    ),
    ("chain_long", {}, None),
    ("chain_long", {"links": 7}, N),
    ("chain_long", {"links": 8}, W),
    ("chain_long", {"links": 7, "plans_fulls": False}, None),
    ("chain_long", {"links": 8, "plans_fulls": False}, W),
    ("chain_long", {"links": 0, "most_links": 0}, None),
    ("increments_large", shares(51, 99), 0),
    ("increments_large", shares(51, 99, plans_links=False), None),
    ("increments_large", shares(50, 99), None),
    ("increments_large", shares(99, 10, 99), None),
    ("increments_large", shares(99), None),
    ("fell_back_to_full", {}, None),
    ("fell_back_to_full", fallback("base_unusable"), W),
    ("fell_back_to_full", fallback("base_unusable", first=True, plans_fulls=False), W),
    ("fell_back_to_full", fallback("no_base"), 0),
    ("fell_back_to_full", fallback("no_base", first=True), None),
    ("fell_back_to_full", fallback("chain_full"), 0),
    ("fell_back_to_full", fallback("chain_full", plans_fulls=False), None),
    ("fell_back_to_full", fallback("full_overdue"), None),
    ("not_covered", {}, None),
    ("not_covered", {"scheduled_kinds": frozenset()}, 0),
    ("instance_unreachable", {}, None),
    ("instance_unreachable", {"unreachable_since": NOW - 2 * M + S}, None),
    ("instance_unreachable", {"unreachable_since": NOW - 2 * M}, W),
    ("instance_unreachable", {"unreachable_since": NOW - 10 * M}, C),
    ("another_server", {}, None),
    ("another_server", {"other_server": "5c1b", "other_server_since": NOW}, 0),
    ("version_unsupported", {}, None),
    ("version_unsupported", {"version": ""}, None),
    ("version_unsupported", {"version": "10.5.9-MariaDB"}, 0),
    ("version_unsupported", {"engine": "clone"}, 0),
    ("version_unsupported", {"version": "13.0.1-MariaDB"}, N),
    ("lock_time", locked(10 * S - 0.001 * S), None),
    ("lock_time", locked(10 * S), N),
    ("lock_time", locked(60 * S), W),
    ("lock_time", locked(None), None),
    ("writers_slowed", {}, None),
    ("writers_slowed", paced(), None),
    ("writers_slowed", paced(p99_during_ms=59.9, target_ms=40), None),
    ("writers_slowed", paced(p99_during_ms=60, target_ms=40), W),
    ("writers_slowed", paced(p99_during_ms=60), None),
    ("writers_slowed", paced(target_ms=40), None),
    ("writers_slowed", paced(p99_during_ms=9, target_ms=1), None),
    ("redo_race", {}, None),
    ("redo_race", paced(), None),
    ("redo_race", paced(redo_worst_share=0.79), None),
    ("redo_race", paced(redo_worst_share=0.79, redo_lifted=3), None),
    ("redo_race", paced(redo_worst_share=0.8), N),
    ("redo_race", paced(redo_worst_share=0.95), W),
    ("redo_race", paced(redo_lifted=1), N),
    ("size_unusual", sized(75.1), None),
    ("size_unusual", sized(75), W),
    ("size_unusual", sized(50), C),
    ("size_unusual", sized(199.9), None),
    ("size_unusual", sized(200), N),
    ("size_unusual", sized(500), W),
    ("size_unusual", sized(0), None),
    ("size_unusual", sized(10, None), None),
    ("size_unusual", sized(60, Norm(10, 100 * GIB, 10 * GIB)), None),
    ("size_unusual", sized(59, Norm(10, 100 * GIB, 10 * GIB)), W),
    ("duration_unusual", lasting(2 * H - S), None),
    ("duration_unusual", lasting(2 * H), N),
    ("duration_unusual", lasting(4 * H), W),
    ("duration_unusual", lasting(12 * M), W),
    ("duration_unusual", lasting(13 * M), None),
    ("duration_unusual", lasting(9 * M, Norm(10, 60, 1)), None),
    ("duration_unusual", lasting(2 * H, None), None),
    ("verify_failed", {"operation": "verify"}, 0),
    ("verify_failed", {"operation": "restore_test"}, None),
    ("restore_test_failed", {"operation": "restore_test"}, 0),
    ("restore_test_failed", {"operation": "verify"}, None),
    ("drill_failed", {}, 0),
    ("evidence_changed", {}, 0),
    ("restore_test_old", {"restore_tested_at": NOW - 35 * D + S}, None),
    ("restore_test_old", {"restore_tested_at": NOW - 35 * D}, N),
    ("restore_test_old", {"created_at": NOW - 35 * D}, N),
    ("restore_test_old", {"created_at": NOW - 35 * D, "last_success": {}}, None),
    ("copies_missing", {}, None),
    ("copies_missing", {"wanted_copies": 2}, 0),
    ("copies_missing", {"stored_copies": 0}, C),
    ("copies_missing", {"wanted_copies": None, "stored_copies": 0}, None),
    ("copy_missing", {}, None),
    ("copy_missing", {"since": NOW - 26 * H + S}, None),
    ("copy_missing", {"since": NOW - 26 * H}, W),
    ("copy_missing", {"error": "the disk is full", "failed_at": NOW}, 0),
    ("binlogs_not_received", {}, None),
    ("binlogs_not_received", unreceived(M - S), None),
    ("binlogs_not_received", unreceived(M), W),
    ("binlogs_not_received", unreceived(10 * M), C),
    ("binlogs_not_received", unreceived(-M), None),
    ("binlogs_behind", {"lag_bytes": 256 * 2**20 - 1}, None),
    ("binlogs_behind", {"lag_bytes": 256 * 2**20}, W),
    ("binlogs_behind", {"lag_bytes": 4 * GIB}, C),
    # That nothing is received is said by another rule.
    ("binlogs_behind", unreceived(H, lag_bytes=4 * GIB), None),
    ("binlogs_asynchronous", {"source_waits": False}, None),
    ("binlogs_asynchronous", {"acknowledge": True, "source_waits": None}, None),
    ("binlogs_asynchronous", {"acknowledge": True, "source_waits": True}, None),
    ("binlogs_asynchronous", {"acknowledge": True, "source_waits": False}, 0),
    ("binlog_settings", {}, None),
    ("binlog_settings", {"warnings": "binlog_format is MIXED."}, 0),
    ("binlogs_not_stored", {"backlog_bytes": GIB}, None),
    ("binlogs_not_stored", {"store_fault": "main: not mounted"}, 0),
    ("spool_low", spool(20.1), None),
    ("spool_low", spool(20), W),
    ("spool_low", spool(10), C),
    ("spool_low", spool(4), E),
    ("spool_low", {"spool_free_bytes": None}, None),
    ("not_recoverable", {}, None),
    ("not_recoverable", {"not_recoverable": "no binlog is stored yet"}, 0),
    ("copies_not_spread", {}, None),
    ("copies_not_spread", {"answers": judge_spread(replace(GOOD, copies=()))}, 0),
    ("space_low", free(15.1), None),
    ("space_low", free(15), W),
    ("space_low", free(7), C),
    ("space_low", free(2), E),
    ("space_low", {"free_bytes": None}, None),
    ("space_low", {"total_bytes": None}, None),
    ("full_soon", {}, None),
    ("full_soon", {"full_at": NOW + 14 * D + M}, None),
    ("full_soon", {"full_at": NOW + 14 * D}, W),
    ("full_soon", {"full_at": NOW + 3 * D}, C),
    ("full_soon", {"full_at": NOW - D}, C),
    ("locks_not_renewed", {}, None),
    ("locks_not_renewed", {"lock_fault": "access is denied"}, 0),
    ("repository_unusable", {}, None),
    ("repository_unusable", {"error": "/srv/main could not be measured"}, 0),
    ("unencrypted", {}, None),
    ("unencrypted", {"encrypted": False}, 0),
    ("copies_faulty", {}, 0),
    ("key_missing", {}, 0),
    ("queue_without_worker", waiting(2 * M - S), None),
    ("queue_without_worker", waiting(2 * M), W),
    ("queue_without_worker", waiting(10 * M), C),
    ("queue_without_worker", waiting(10 * M, workers=1), None),
    ("queue_without_worker", waiting(10 * M, waiting=0), None),
    ("periodic_task_stopped", silent(2 * M - S), None),
    ("periodic_task_stopped", silent(2 * M), W),
    ("periodic_task_stopped", silent(15 * M), C),
    ("periodic_task_stopped", silent(15 * M - S, every=5 * M), None),
    ("periodic_task_stopped", silent(15 * M, every=5 * M), C),
    ("periodic_task_stopped", {"error": "OperationalError: gone"}, W),
    ("periodic_task_stopped", {"started_at": None, "finished_at": None}, None),
    ("backup_succeeded", {}, 0),
    ("backup_succeeded", {"problems": ("copy in offsite failed: full",)}, W),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fields", "severity"), CASES)
def test_it_finds(name: str, fields: dict[str, Any], severity: Severity | int | None) -> None:
    finding = ask_rule(name, **fields)
    found = None if finding is None else finding.severity or 0
    assert found == severity


def test_every_rule_has_cases_of_both_sorts() -> None:
    always = {
        "occurrence_missed",
        "run_unfit",
        "copies_faulty",
        "key_missing",
        "backup_succeeded",
        "drill_failed",
        "evidence_changed",
    }
    for name in RULES.keys() - {"rule_broken"}:
        outcomes = {severity is None for rule, _, severity in CASES if rule == name}
        outcomes |= {not found for rule, _, found in OF_OBJECTIVES if rule == name}
        assert outcomes == ({False} if name in always else {True, False}), name


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_every_rule_says_what_it_is(rule: AnyRule) -> None:
    for words in (rule.explanation, rule.hint, rule.resolves_when):
        assert words.endswith(".")
        assert words[0].isupper()
    assert rule.about in {*WELL, Facts}
    assert len({threshold.name for threshold in rule.thresholds}) == len(rule.thresholds)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_no_rule_breaks_when_its_thresholds_are_off(rule: AnyRule) -> None:
    if rule.about is not Facts:
        ask_rule(rule.name, limits=dict.fromkeys(rule.defaults()))


def test_a_threshold_that_is_off_finds_nothing() -> None:
    assert ask_rule("full_too_old", limits={"warning": None}, **old("full", 10 * D)) is None


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        (
            "job_failed",
            {"status": "failed", "failed_stage": "copy", "error": "no space", "count": 3},
            "full backup failed in copy: no space (3 since the last success)",
        ),
        (
            "occurrence_missed",
            {"reason": "no_worker", "detail": "queue copy"},
            "the run due at 2026-03-02 07:00 UTC was missed: no worker takes jobs from the queue "
            "(queue copy)",
        ),
        (
            "drill_failed",
            {"backup_passed": True},
            "recovery to 2026-03-01 12:00 UTC failed in replay: no such table; the backup "
            "orders-1@7-F itself passed its restore test",
        ),
        (
            "evidence_changed",
            {},
            "the chain of evidence is broken: link 3: the restore test 7 of orders-1@7-F was "
            "changed after it was recorded",
        ),
        (
            "size_unusual",
            sized(50),
            "orders-1@7-F is 50 % smaller than usual: 50.0 GiB, the median of the 10 before it is "
            "100.0 GiB",
        ),
        (
            "queue_without_worker",
            waiting(10 * M),
            "2 jobs have been waiting for up to 10 min 00 s; no worker serves this queue",
        ),
        (
            "full_too_old",
            old("full", 8 * D),
            "last successful full backup is 8 d 0 h old (2026-02-22 12:00 UTC)",
        ),
    ],
)
def test_it_says_what_is_wrong(name: str, fields: dict[str, Any], words: str) -> None:
    finding = ask_rule(name, **fields)
    assert finding is not None
    assert finding.message == words
