"""Does what Mooring runs on the host of an instance really come after the server?

``decide_priority`` turns facts into checks and reads nothing itself.
"""

from __future__ import annotations

from backups.checks import Check, Verdict
from backups.exceptions import RunnerError
from backups.runners.base import Runner
from backups.runners.priority import LOW_NICENESS, low_priority_wanted
from backups.runners.priority_facts import PriorityFacts, disk_scheduler, read_priority

PROCESSOR = "processor priority"
DISK = "disk priority"
# What every service gets unless its unit says otherwise.
USUAL_WEIGHT = 100
# Schedulers of disks that read the priority of requests: all of it, or its class alone.
READS_LEVELS, READS_CLASSES = "bfq", "mq-deadline"


def check_priority(runner: Runner, data_folder: str) -> list[Check]:
    """Start a command where the instance's commands run, and look which priority it has.

    ``data_folder`` is the instance's, blank if it is not on this host.
    """
    if not low_priority_wanted():
        off = "off: MOORING_LOW_PRIORITY is no"
        return [Check(PROCESSOR, Verdict.OK, off), Check(DISK, Verdict.OK, off)]
    try:
        facts = read_priority(runner)
    except RunnerError as exc:
        return [Check(name, Verdict.UNKNOWN, str(exc), exc.hint) for name in (PROCESSOR, DISK)]
    scheduler = disk_scheduler(data_folder) if data_folder else ""
    return [decide_processor(facts), decide_disk(facts, scheduler)]


def decide_processor(facts: PriorityFacts) -> Check:
    """Say which means is the one that counts on this kernel, and whether it is in force."""
    if facts.niceness is None:
        return Check(PROCESSOR, Verdict.UNKNOWN, "the kernel does not show it")
    found = f"nice {facts.niceness}, policy {facts.policy or 'unknown'}"
    if facts.cgroup_weight is not None:
        return _by_cgroup(facts, found)
    if facts.sessions_are_groups:
        return _by_session(facts, found)
    if facts.niceness < LOW_NICENESS:
        return Check(PROCESSOR, Verdict.WARNING, f"{found}: the server gets no preference")
    return Check(PROCESSOR, Verdict.OK, found)


def _by_cgroup(facts: PriorityFacts, found: str) -> Check:
    """Between control groups only their weights count; within one, nice does."""
    weight = facts.cgroup_weight or 0
    found = f"{found}; control group {facts.cgroup} has weight {weight}"
    if weight < USUAL_WEIGHT:
        return Check(PROCESSOR, Verdict.OK, found)
    return Check(
        PROCESSOR,
        Verdict.WARNING,
        f"{found}, as other services: nice does nothing between services",
        "Set CPUWeight=20 and IOWeight=20 in the unit that runs Mooring (docs/operations.md).",
    )


def _by_session(facts: PriorityFacts, found: str) -> Check:
    """Where each session is a group, only their nice values count between two of them."""
    if facts.session_niceness is None:
        found = f"{found}; its session's is not known, and nice alone does nothing between sessions"
        return Check(PROCESSOR, Verdict.UNKNOWN, found)
    found = f"{found}, session nice {facts.session_niceness}"
    if facts.session_niceness >= LOW_NICENESS:
        return Check(PROCESSOR, Verdict.OK, found)
    return Check(
        PROCESSOR,
        Verdict.WARNING,
        f"{found}: the kernel makes a group of each session, so nice alone does nothing",
        "Turn that off with sysctl kernel.sched_autogroup_enabled=0, or run Mooring as a service "
        "with CPUWeight=20.",
    )


def decide_disk(facts: PriorityFacts, scheduler: str) -> Check:
    """Say whether the disk's scheduler reads the priority; blank if it is not known."""
    if not facts.disk:
        return Check(DISK, Verdict.UNKNOWN, "ionice is not installed on that host")
    if not scheduler:
        unknown = "whether it counts is unknown: the disk is on another host, or has no scheduler"
        return Check(DISK, Verdict.UNKNOWN, f"{facts.disk}; {unknown}")
    if READS_LEVELS in scheduler:
        return Check(DISK, Verdict.OK, f"{facts.disk}; the disk's scheduler {scheduler} uses it")
    why = "knows classes only" if READS_CLASSES in scheduler else "ignores priorities"
    return Check(
        DISK,
        Verdict.OK,
        f"{facts.disk}; without effect: the disk's scheduler {scheduler} {why}",
    )
