"""What doctor says of the priority of our commands, from recorded facts of kernels."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backups.checks import Verdict
from backups.preflight.priority_check import check_priority, decide_disk, decide_processor
from backups.runners import LocalRunner
from backups.runners.priority_facts import PriorityFacts

LOW = PriorityFacts(
    niceness=10, policy="batch", session_niceness=10, disk="best-effort: prio 7", cgroup="/"
)


@pytest.mark.parametrize(
    ("facts", "verdict", "found"),
    [
        (LOW, Verdict.OK, "nice 10, policy batch"),
        (PriorityFacts(), Verdict.UNKNOWN, "the kernel does not show it"),
        (
            replace(LOW, niceness=0, policy="normal"),
            Verdict.WARNING,
            "nice 0, policy normal: the server gets no preference",
        ),
        (
            replace(LOW, sessions_are_groups=True),
            Verdict.OK,
            "nice 10, policy batch, session nice 10",
        ),
        (
            replace(LOW, sessions_are_groups=True, session_niceness=0),
            Verdict.WARNING,
            "nice 10, policy batch, session nice 0: the kernel makes a group of each session, "
            "so nice alone does nothing",
        ),
        (
            replace(LOW, sessions_are_groups=True, session_niceness=None),
            Verdict.UNKNOWN,
            "nice 10, policy batch; its session's is not known, and nice alone does nothing "
            "between sessions",
        ),
        (
            replace(LOW, cgroup="/system.slice/mooring.service", cgroup_weight=100),
            Verdict.WARNING,
            "nice 10, policy batch; control group /system.slice/mooring.service has weight 100, "
            "as other services: nice does nothing between services",
        ),
        (
            replace(LOW, cgroup="/system.slice/mooring.service", cgroup_weight=20),
            Verdict.OK,
            "nice 10, policy batch; control group /system.slice/mooring.service has weight 20",
        ),
    ],
)
def test_the_means_that_counts_decides(facts: PriorityFacts, verdict: Verdict, found: str) -> None:
    check = decide_processor(facts)
    assert (check.verdict, check.found) == (verdict, found)
    assert bool(check.hint) == (verdict is Verdict.WARNING and facts.niceness == 10)


@pytest.mark.parametrize(
    ("facts", "scheduler", "verdict", "said"),
    [
        (LOW, "bfq", Verdict.OK, "the disk's scheduler bfq uses it"),
        (LOW, "mq-deadline", Verdict.OK, "without effect: the disk's scheduler mq-deadline knows"),
        (LOW, "none", Verdict.OK, "without effect: the disk's scheduler none ignores priorities"),
        (LOW, "", Verdict.UNKNOWN, "whether it counts is unknown"),
        (replace(LOW, disk=""), "bfq", Verdict.UNKNOWN, "ionice is not installed"),
    ],
)
def test_the_disks_scheduler_decides(
    facts: PriorityFacts, scheduler: str, verdict: Verdict, said: str
) -> None:
    check = decide_disk(facts, scheduler)
    assert check.verdict is verdict
    assert said in check.found


def test_turned_off_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_LOW_PRIORITY", "no")
    found = {check.found for check in check_priority(LocalRunner(), "")}
    assert found == {"off: MOORING_LOW_PRIORITY is no"}
