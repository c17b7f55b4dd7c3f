"""Which instances does a schedule cover, which schedules cover an instance, which none?

Groups and tags are evaluated each time: an instance that joins one is covered from then on.
The number of queries is constant, however many schedules and instances there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from django.db.models import Exists, OuterRef, Q, QuerySet

from backups.models import BackupSchedule, Instance
from backups.schedule import reached
from backups.states import CHOSEN_KINDS, Operation

# The path from a row that ties a schedule to an object, to the instances.
_PATHS: Mapping[str, str] = {
    "instances": "instance",
    "groups": "instancegroup__instances",
    "tags": "tag__instances",
}


def covered_instances(schedule: BackupSchedule) -> QuerySet[Instance]:
    """Return the enabled instances a schedule covers, each once."""
    enabled = Instance.objects.filter(enabled=True)
    if schedule.covers_all:
        return enabled
    return enabled.filter(
        Q(pk__in=schedule.instances.values("pk"))
        | Q(groups__in=schedule.groups.values("pk"))
        | Q(tags__in=schedule.tags.values("pk"))
    ).distinct()


def coverage_of(schedules: Sequence[BackupSchedule]) -> dict[int, list[Instance]]:
    """Return the enabled instances of each schedule, by the schedule's number."""
    tied = _tied(schedules)
    general = [schedule.pk for schedule in schedules if schedule.covers_all]
    instances = _instances(None if general else {pk for pks in tied.values() for pk in pks})
    for schedule_id in general:
        tied[schedule_id] = set(instances)
    return {pk: [instances[member] for member in sorted(members)] for pk, members in tied.items()}


def count_covered(schedules: Sequence[BackupSchedule]) -> dict[int, int]:
    """Count the enabled instances of each schedule, without reading them."""
    counts = {pk: len(members) for pk, members in _tied(schedules).items()}
    if general := [schedule.pk for schedule in schedules if schedule.covers_all]:
        counts |= dict.fromkeys(general, Instance.objects.filter(enabled=True).count())
    return counts


def covering_schedules(instances: Collection[int]) -> dict[int, set[int]]:
    """Map the numbers of instances to those of the enabled schedules of backups that cover them."""
    enabled = BackupSchedule.objects.filter(enabled=True, operation=Operation.BACKUP)
    general = set(enabled.filter(covers_all=True).values_list("pk", flat=True))
    covering = {pk: set(general) for pk in instances}
    own = Q(backupschedule__enabled=True, backupschedule__operation=Operation.BACKUP)
    for schedule_id, instance_id in _ties(own, pk__in=covering):
        covering[instance_id].add(schedule_id)
    after = dict(enabled.filter(after__isnull=False).values_list("pk", "after"))
    return {pk: reached(ties, after) for pk, ties in covering.items()} if after else covering


def never_reached(schedule: BackupSchedule) -> QuerySet[Instance]:
    """Return the instances a chained schedule covers and those that it follows do not."""
    covered = covered_instances(schedule)
    missing = Q(pk__in=[])
    for before in schedule.predecessors:
        missing |= ~Q(pk__in=covered_instances(before).values("pk"))
    return covered.filter(missing).order_by("name")


def uncovered_instances(*, besides: int | None = None) -> QuerySet[Instance]:
    """Return the enabled instances that no enabled schedule backs up, or none but ``besides``."""
    # A chained schedule has runs only where the first of its chain has.
    backing_up = BackupSchedule.objects.filter(enabled=True, operation=Operation.BACKUP)
    schedules = backing_up.filter(after__isnull=True)
    # One of chosen tables covers nothing, unless whole backups follow it.
    followers = backing_up.filter(after=OuterRef("pk"))
    whole = followers.exclude(kind__in=CHOSEN_KINDS)
    schedules = schedules.exclude(Q(kind__in=CHOSEN_KINDS) & ~Exists(whole))
    if besides is not None:
        schedules = schedules.exclude(pk=besides)
    enabled = Instance.objects.filter(enabled=True)
    return enabled.exclude(
        Exists(schedules.filter(covers_all=True))
        | Exists(schedules.filter(instances=OuterRef("pk")))
        | Exists(schedules.filter(groups__instances=OuterRef("pk")))
        | Exists(schedules.filter(tags__instances=OuterRef("pk")))
    )


def _tied(schedules: Sequence[BackupSchedule]) -> dict[int, set[int]]:
    """Return the enabled instances that names, groups and tags tie to each schedule."""
    members: dict[int, set[int]] = {schedule.pk: set() for schedule in schedules}
    # An instance tied by both a group and a tag counts once; SQL would count it twice.
    for schedule_id, instance_id in _ties(Q(backupschedule__in=members), enabled=True):
        members[schedule_id].add(instance_id)
    return members


def _ties(schedules: Q, **instances: object) -> Iterator[tuple[int, int]]:
    """Yield schedule and instance of each tie by name, group or tag: one query for each."""
    for field, path in _PATHS.items():
        through = getattr(BackupSchedule, field).through
        narrowed = {f"{path}__{name}": value for name, value in instances.items()}
        yield from through.objects.filter(schedules, **narrowed).values_list("backupschedule", path)


def _instances(wanted: Iterable[int] | None) -> dict[int, Instance]:
    enabled = Instance.objects.filter(enabled=True).only("pk", "uuid", "name")
    if wanted is None:
        return {instance.pk: instance for instance in enabled}
    return enabled.in_bulk(list(wanted))
