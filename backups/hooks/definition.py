"""What is a hook? The checked values of an entry of the hooks file, and how a run of it ended."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from backups.states import HookTime, JobStatus, Operation

# With "hook before-copy: " in front, a name has to fit into the name of a stage.
LONGEST_NAME = 22
# Of a variable: an error may quote pages of a tool's output.
LONGEST_VALUE = 4096


class RunsOn(enum.StrEnum):
    """After which result of a job an after hook runs."""

    ALWAYS = "always"
    SUCCESS = "success"
    FAILURE = "failure"  # failed, refused, cancelled or lost


class OnFailure(enum.StrEnum):
    """What a hook that fails means to its job."""

    REFUSE = "refuse"  # the job is refused; before hooks only
    WARN = "warn"  # the job continues, and succeeds with problems


@dataclass(frozen=True, slots=True)
class HookScope:
    """Which jobs a hook belongs to. An empty tuple leaves that open."""

    operations: tuple[Operation, ...]
    # Of the instance: one of these is enough.
    instances: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()

    @property
    def names_instances(self) -> bool:
        return bool(self.instances or self.groups or self.tags)

    @property
    def in_words(self) -> str:
        """The jobs that it selects, in a line."""
        parts = [f"{' and '.join(self.operations)} jobs".replace("_", " ")]
        for noun in ("instances", "groups", "tags", "schedules"):
            if names := getattr(self, noun):
                parts.append(f"{noun} {', '.join(names)}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Hook:
    """One entry: a command of this host, or a statement on the instance."""

    name: str
    when: HookTime
    seconds: int
    on: RunsOn
    on_failure: OnFailure
    scope: HookScope
    # One of the two.
    command: tuple[str, ...] = ()
    sql: str = ""
    # Of a command: the user that runs it; blank: the user of other programs without rights.
    user: str = ""
    folder: str = "/"
    # Whether it sees the system's programs and its folder only, and no network.
    confined: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name of its stage."""
        return f"hook {self.when}: {self.name}"

    def runs_after(self, result: JobStatus) -> bool:
        """Whether it runs where the job, or the copy, ended so."""
        if self.on is RunsOn.ALWAYS:
            return True
        return (self.on is RunsOn.SUCCESS) == (result is JobStatus.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class HookResult:
    """How a hook ended: without a problem it succeeded."""

    problem: str = ""
    exit_code: int | None = None
    # In a line, if it succeeded.
    found: str = ""
    # False: it could not even be started, so that trying it again cannot do anything twice.
    began: bool = True


@dataclass(frozen=True, slots=True)
class HookSubject:
    """What hooks are selected by. None leaves operation or schedule open."""

    instance: str
    operation: Operation | None
    # Blank: a person requested the job.
    schedule: str | None = None
    groups: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


def applies(scope: HookScope, subject: HookSubject) -> bool:
    """Whether a hook belongs to a job, or to any job that fits."""
    if subject.operation is not None and subject.operation not in scope.operations:
        return False
    if subject.schedule is not None and not _fits(subject.schedule, scope.schedules):
        return False
    return not scope.names_instances or (
        subject.instance in scope.instances
        or not subject.groups.isdisjoint(scope.groups)
        or not subject.tags.isdisjoint(scope.tags)
    )


def _fits(schedule: str, wanted: tuple[str, ...]) -> bool:
    return not wanted or schedule in wanted
