"""May each stored copy be deleted now, and why is it kept? Computed from rows, never stored."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backups.exceptions import BadInput
from backups.health.clock_jump import HELD
from backups.models import BackupSchedule, Repository, TickHeartbeat
from backups.models.repository import RepositoryKind
from backups.models.retention import RetentionSettings
from backups.retention.links import KeptLink
from backups.retention.locked import lock_of
from backups.retention.periods import PeriodCounts
from backups.retention.policy import Policy
from backups.retention.rules import RetentionVerdict, judge, proven_needed
from backups.retention.stored import (
    Mark,
    StoredCopy,
    open_marks,
    proof_results,
    stored_copies,
    unhealthy_instances,
    unhealthy_runs,
)
from backups.states import CHOSEN_KINDS, STANDALONE_KINDS
from backups.wall_clock import zone

TICK = "expire backups"
UTC = "UTC"
NO_DELAY = timedelta(0)


@dataclass(frozen=True, slots=True)
class JudgedCopy:
    """A stored copy and what retention says about it."""

    copy: StoredCopy
    # "schedule nightly" or "repository main": whose policy decides.
    owner: str
    verdict: RetentionVerdict
    # Whether a stored backup in the same repository is based on it: that one goes first. One that
    # is marked has gone first where this one is only marked as well.
    has_dependents: bool
    # How many proven backups of the instance must remain.
    proven_needed: int
    # Whether the policy deletes nothing ever, so that the same is true of all its copies.
    for_ever: bool
    # The deletion that it is marked for.
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class _Owner:
    """A policy, and why it deletes nothing at all now; blank if it does."""

    policy: Policy
    fault: str = ""


def judge_copies(
    now: datetime,
    instances: Collection[int] | None = None,
    *,
    instead: RetentionSettings | None = None,
    held: bool = True,
    faults: bool = True,
    locks: bool = True,
) -> list[JudgedCopy]:
    """Judge every stored copy, or those of some instances.

    ``instead`` is a changed schedule or repository that is not saved yet. ``held`` says whether
    an expiry that is held keeps everything: the tick, which finds that out, asks without. Without
    ``faults`` nothing passing keeps anything: no failed run, no repository that is not mounted.
    Without ``locks`` no lock of a store does: the tick that renews them asks so.
    """
    copies = stored_copies(instances, now)
    owners = _load_owners(copies, instead, now)
    blocks = _Blocks(copies, owners, instances, held=held)
    marks = open_marks(instances)
    links = _links(copies, blocks if faults else None, proof_results(instances), now, locks=locks)
    by_instance: dict[int, list[tuple[StoredCopy, KeptLink]]] = defaultdict(list)
    for copy, link in zip(copies, links, strict=True):
        by_instance[copy.instance_id].append((copy, link))
    return [
        judged
        for pairs in by_instance.values()
        for judged in _judge_instance(pairs, owners, marks, now)
    ]


def _links(
    copies: Sequence[StoredCopy],
    blocks: _Blocks | None,
    proofs: tuple[Collection[int], Collection[int]],
    now: datetime,
    *,
    locks: bool,
) -> Iterator[KeptLink]:
    failed, passed = proofs
    by_backup = {(copy.backup_id, copy.repository_id): copy.pk for copy in copies}
    for copy in copies:
        yield KeptLink(
            key=copy.pk,
            label=copy.label,
            policy=_owner_of(copy),
            ended_at=copy.ended_at,
            # A partial one may be based on another of its tables.
            full=copy.kind in STANDALONE_KINDS and copy.base_id is None,
            choice=_choice_of(copy),
            base=by_backup.get((copy.base_id or 0, copy.repository_id)),
            sound=not (copy.fault or copy.key_fault or copy.repository_fault or copy.pk in failed),
            passed=copy.pk in passed,
            pinned=_pin(copy),
            held=_hold(copy, now),
            held_until=copy.held_until,
            lock=lock_of(copy.locked_until, now) if locks else None,
            blocked=_exported(copy) or (blocks.of(copy) if blocks is not None else ""),
        )


def _judge_instance(
    pairs: Sequence[tuple[StoredCopy, KeptLink]],
    owners: Mapping[int, _Owner],
    marks: Mapping[int, Mark],
    now: datetime,
) -> Iterable[JudgedCopy]:
    policies = {link.policy: owners[link.policy].policy for _, link in pairs}
    # What a person has marked counts no more: others are kept in its place. What retention marked
    # is judged like the rest, so that it stays if anything counts on it again.
    leaving = {
        copy.pk: RetentionVerdict(True, (mark.by,))
        for copy, _ in pairs
        if (mark := marks.get(copy.pk)) is not None and not mark.retention
    }
    links = [link for copy, link in pairs if copy.pk not in leaving]
    verdicts = {**judge(links, policies, now), **leaving}
    needed = proven_needed(policies)
    dependents = defaultdict(list)
    for _, link in pairs:
        dependents[link.base].append(link.key)
    for copy, link in pairs:
        policy = policies[link.policy]
        needing = [
            key for key in dependents[copy.pk] if copy.purge_delay <= NO_DELAY or key not in marks
        ]
        yield JudgedCopy(
            copy,
            policy.owner,
            verdicts[copy.pk],
            bool(needing),
            needed,
            policy.keeps_everything,
            marks.get(copy.pk),
        )


def _choice_of(copy: StoredCopy) -> str:
    """Return what a partial backup has as one text; blank for a whole one."""
    if copy.kind not in CHOSEN_KINDS:
        return ""
    return f"{copy.kind} {json.dumps(copy.choice, sort_keys=True)}"


def _owner_of(copy: StoredCopy) -> int:
    """Return the key of the policy: a schedule's id, or minus that of the repository."""
    return copy.schedule_id or -copy.repository_id


def _load_owners(
    copies: Sequence[StoredCopy], instead: RetentionSettings | None, now: datetime
) -> dict[int, _Owner]:
    wanted = {_owner_of(copy) for copy in copies}
    rows: list[RetentionSettings] = [
        *BackupSchedule.objects.filter(pk__in=[key for key in wanted if key > 0]),
        *Repository.objects.filter(pk__in=[-key for key in wanted if key < 0]),
    ]
    owners = {_key(row): _owner(row, now) for row in rows}
    if instead is not None and instead.pk is not None:
        owners[_key(instead)] = _owner(instead, now)
    return owners


def _key(row: RetentionSettings) -> int:
    return -row.pk if isinstance(row, Repository) else row.pk


def _owner(row: RetentionSettings, now: datetime) -> _Owner:
    fault, time_zone = "", UTC
    if isinstance(row, BackupSchedule):
        time_zone = row.time_zone
        # One that takes no new backups expires no old ones.
        if not row.enabled:
            fault = f"schedule {row.name} is disabled"
        elif row.paused_at is not None:
            fault = f"schedule {row.name} is paused"
        try:
            zone(time_zone)
        except BadInput as exc:
            fault, time_zone = fault or str(exc), UTC
    name = f"{'schedule' if isinstance(row, BackupSchedule) else 'repository'} {row}"
    return _Owner(policy_of(row, name, time_zone), fault)


def policy_of(row: RetentionSettings, owner: str, time_zone: str = UTC) -> Policy:
    """Return the columns of a schedule or repository as a value for the rules."""
    return Policy(
        owner,
        row.keep_for,
        row.keep_least,
        row.keep_chains,
        PeriodCounts(
            row.keep_hourly, row.keep_daily, row.keep_weekly, row.keep_monthly, row.keep_yearly
        ),
        row.keep_proven,
        time_zone,
    )


class _Blocks:
    """What is wrong, so that nothing may be deleted meanwhile."""

    def __init__(
        self,
        copies: Sequence[StoredCopy],
        owners: Mapping[int, _Owner],
        instances: Collection[int] | None,
        *,
        held: bool,
    ) -> None:
        self._owners = owners
        self._held = why_expiry_is_held() if held else ""
        self._runs = unhealthy_runs(instances)
        # Of those without a schedule only if a repository expires any.
        unplanned = {
            copy.instance_id
            for copy in copies
            if copy.schedule_id is None and not owners[_owner_of(copy)].policy.keeps_everything
        }
        self._instances = unhealthy_instances(unplanned) if unplanned else set()

    def of(self, copy: StoredCopy) -> str:
        """Return why a copy stays though nothing else keeps it; blank if nothing is wrong."""
        if fault := self._owners[_owner_of(copy)].fault:
            return fault
        if not copy.instance_enabled:
            # A disabled instance gets no new backups either.
            return "the instance is disabled"
        if copy.repository_fault:
            return f"repository {copy.repository} cannot be used: {copy.repository_fault}"
        if copy.wanted_in:
            return f"a copy in {copy.wanted_in} is wanted, and not made yet"
        if failed := self._failed_run(copy):
            return f"nothing is deleted while the newest run is {failed}"
        return f"nothing is deleted while expiry is held: {self._held}" if self._held else ""

    def _failed_run(self, copy: StoredCopy) -> str:
        if copy.schedule_id is None:
            return "failed" if copy.instance_id in self._instances else ""
        return self._runs.get((copy.schedule_id, copy.instance_id), "")


def why_expiry_is_held() -> str:
    """Return why the tick that expires backups was held when it last ran; blank if it was not."""
    error = TickHeartbeat.objects.filter(name=TICK).values_list("error", flat=True).first() or ""
    return error.partition(HELD)[2]


def _exported(copy: StoredCopy) -> str:
    return "it is in an exported file" if copy.repository_kind == RepositoryKind.FILE else ""


def _pin(copy: StoredCopy) -> str:
    if not copy.pinned:
        return ""
    return f"pinned: {copy.pinned_reason}" if copy.pinned_reason else "pinned"


def _hold(copy: StoredCopy, now: datetime) -> str:
    if copy.held_until is None or now >= copy.held_until:
        return ""
    return f"held by {copy.held_by} until {copy.held_until:%Y-%m-%d %H:%M}Z: {copy.held_reason}"
