"""Which priority does a command of ours have, and which of it does its host's kernel use?

Only ``/proc`` and ``ionice`` are read: what was requested is not what is in force.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from backups.runners.base import Runner
from backups.runners.local import LocalRunner

POLICIES = {0: "normal", 1: "FIFO", 2: "round robin", 3: "batch", 5: "idle", 6: "deadline"}
PROC_FILES = ("stat", "autogroup", "cgroup")
AUTOGROUP_SWITCH = "/proc/sys/kernel/sched_autogroup_enabled"
# Where cgroup v2 is; its files of a group are below it, at the path that /proc names.
CGROUPS = "/sys/fs/cgroup"
# Fields of /proc/PID/stat behind the name in brackets, which may contain anything.
_NICE, _POLICY = 16, 38


@dataclass(frozen=True, slots=True)
class PriorityFacts:
    """The priority of a command. None: the kernel does not have it, or it could not be read."""

    niceness: int | None = None
    policy: str = ""
    session_niceness: int | None = None
    sessions_are_groups: bool | None = None
    cgroup: str = ""
    cgroup_weight: int | None = None
    disk: str = ""


def read_priority(runner: Runner) -> PriorityFacts:
    """Start a command as every other one is started, and look at it."""
    if isinstance(runner, LocalRunner):
        return _read_local(runner)
    files = [f"/proc/self/{name}" for name in PROC_FILES]
    text = runner.run(["cat", *files, AUTOGROUP_SWITCH]).stdout
    facts = parse_priority(text)
    weight = runner.run(["cat", _weight_file(facts.cgroup)]).stdout if facts.cgroup else ""
    disk = runner.run(["ionice"]).stdout
    return parse_priority(text, weight, disk)


def _read_local(runner: LocalRunner) -> PriorityFacts:
    # It must live while it is looked at: its session is lowered by us, from outside.
    with runner.start(["sleep", "60"], secret_files={}) as command:
        process = command.process[0]
        paths = [*(f"/proc/{process}/{name}" for name in PROC_FILES), AUTOGROUP_SWITCH]
        text = "".join(_text_of(path) for path in paths)
        facts = parse_priority(text)
        weight = _text_of(_weight_file(facts.cgroup)) if facts.cgroup else ""
        disk = runner.run(["ionice", "-p", str(process)]).stdout
    return parse_priority(text, weight, disk)


def parse_priority(text: str, weight: str = "", disk: str = "") -> PriorityFacts:
    """Read the lines of the files in ``/proc``, in any order; a file that is missing has none."""
    niceness = session_niceness = None
    policy, groups, cgroup = "", None, ""
    for line in text.splitlines():
        if found := re.fullmatch(r"/autogroup-\d+ nice (-?\d+)", line):
            session_niceness = int(found[1])
        elif line in {"0", "1"}:
            groups = line == "1"
        elif line.startswith("0::/"):
            cgroup = line.removeprefix("0::")
        elif re.match(r"\d+ \(", line):
            fields = line.rpartition(") ")[2].split()
            niceness = int(fields[_NICE])
            policy = POLICIES.get(int(fields[_POLICY]), "")
    return PriorityFacts(
        niceness=niceness,
        policy=policy,
        session_niceness=session_niceness,
        sessions_are_groups=groups,
        cgroup=cgroup,
        cgroup_weight=int(weight) if weight.strip().isdecimal() else None,
        disk=disk.strip(),
    )


def disk_scheduler(folder: str) -> str:
    """Return the scheduler of the disk of a folder on this host; blank if it is not known.

    A volume of several disks has the schedulers of all of them.
    """
    try:
        device = os.stat(folder).st_dev
    except OSError:
        return ""
    block = os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    return ", ".join(sorted(_schedulers(block)))


def _schedulers(block: str) -> set[str]:
    lower = f"{block}/slaves"
    below = [os.path.realpath(f"{lower}/{name}") for name in _names_in(lower)]
    if below:
        return set().union(*(_schedulers(disk) for disk in below))
    # A partition has the scheduler of the disk that it is in.
    for place in (block, os.path.dirname(block)):
        if chosen := re.search(r"\[(\S+)\]", _text_of(f"{place}/queue/scheduler")):
            return {chosen[1]}
    return set()


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _weight_file(cgroup: str) -> str:
    return f"{CGROUPS}{cgroup.rstrip('/')}/cpu.weight"


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return ""
