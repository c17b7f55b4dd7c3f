"""Which instances are protected, and which need attention? One page of a large table.

The database filters, sorts and paginates InstanceProtection, which a periodic task keeps up to
date; only the rows of one page are loaded in full.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.paginator import Page, Paginator
from django.db.models import Count, F, Q, QuerySet
from django.db.models.expressions import Expression, OrderBy
from django.db.models.functions import Coalesce
from django.http import QueryDict

from backups.health.protection_rows import CHECK_EVERY, RANKS
from backups.jobs.waiting import Waiting, explain_waiting
from backups.models import Backup, Instance, InstanceGroup, InstanceProtection, Job
from backups.protection import Level
from backups.states import ACTIVE_JOB_STATUSES
from monitor.selectors.coverage import FleetCoverage, covered, load_coverage
from monitor.selectors.progress import Progress, progress_of
from monitor.selectors.proof import UNPROVEN, ProofSummary, load_proofs
from monitor.selectors.recoverable import Recoverability, load_recoverability
from monitor.sorting import Sorting, read_sorting

# Enough for a page that loads fast.
PAGE_SIZE = 10
RUNNING = "running"
NOT_EVALUATED = "not evaluated yet"


@dataclass(frozen=True, slots=True)
class FleetRow:
    """One instance on the fleet page."""

    instance: Instance
    protection: InstanceProtection | None
    proof: ProofSummary
    active_job: Job | None
    progress: Progress | None
    waiting: Waiting | None
    # None without a binlog archive.
    binlogs: Recoverability | None

    @property
    def state(self) -> str:
        return self.protection.level if self.protection else Level.UNKNOWN.value

    @property
    def reasons(self) -> list[str]:
        return self.protection.reasons.splitlines() if self.protection else [NOT_EVALUATED]

    @property
    def backup(self) -> Backup | None:
        return self.protection.newest_backup if self.protection else None

    @property
    def last_job(self) -> Job | None:
        return self.protection.last_job if self.protection else None


@dataclass(frozen=True, slots=True)
class StateTile:
    """How many instances are in a state; a click filters by it."""

    word: str
    count: int
    tone: str
    address: str
    current: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class FleetView:
    """One page of the fleet, or of a group."""

    total: int
    sentence: str
    tiles: list[StateTile]
    page: Page[int]
    rows: list[FleetRow]
    sorting: Sorting
    state: str
    search: str
    coverage: FleetCoverage
    # When the states were last updated, if that is too long ago; else None.
    stale_since: datetime | None

    @property
    def has_binlogs(self) -> bool:
        """Whether an instance of the page has a binlog archive: the table has a column for it."""
        return any(row.binlogs for row in self.rows)


def load_fleet(query: QueryDict, now: datetime, group: InstanceGroup | None = None) -> FleetView:
    """Load the page for the state, search, order and page of the query string."""
    instances = group.instances.all() if group else Instance.objects.all()
    state, search = query.get("state", ""), query.get("q", "").strip()
    counts = _count_levels(instances)
    counts[RUNNING] = _running(instances).count()
    sorting = read_sorting(query, tuple(_ORDERS), "state")
    chosen = _ordered(covered(_filtered(instances, state, search), query, now), sorting)
    page = Paginator(chosen.values_list("pk", flat=True), PAGE_SIZE).get_page(query.get("page"))
    return FleetView(
        total=sum(count for level, count in counts.items() if level != RUNNING),
        sentence=_sentence(counts),
        tiles=_tiles(counts, state, search),
        page=page,
        rows=load_rows(list(page.object_list), now),
        sorting=sorting,
        state=state,
        search=search,
        coverage=load_coverage(instances, query, now),
        stale_since=_stale_since(now),
    )


def load_rows(ids: Sequence[int], now: datetime) -> list[FleetRow]:
    """Load the rows of these instances, in their order."""
    related = ("protection__newest_backup", "protection__last_job")
    instances = Instance.objects.select_related(*related).prefetch_related("groups").in_bulk(ids)
    protections = {pk: getattr(row, "protection", None) for pk, row in instances.items()}
    proofs = load_proofs(p.newest_backup_id for p in protections.values() if p and p.newest_backup)
    active = {
        job.instance_id: job
        for job in Job.objects.filter(instance__in=ids, status__in=ACTIVE_JOB_STATUSES)
        .select_related("instance")
        .order_by("id")
    }
    waiting = explain_waiting(active.values())
    binlogs = load_recoverability(ids)
    return [
        _row(instances[pk], protections[pk], proofs, active.get(pk), waiting, binlogs.get(pk), now)
        for pk in ids
        if pk in instances
    ]


def _row(
    instance: Instance,
    protection: InstanceProtection | None,
    proofs: Mapping[int, ProofSummary],
    job: Job | None,
    waiting: Mapping[int, Waiting],
    binlogs: Recoverability | None,
    now: datetime,
) -> FleetRow:
    newest = protection.newest_backup_id if protection else None
    return FleetRow(
        instance=instance,
        protection=protection,
        proof=proofs.get(newest, UNPROVEN) if newest else UNPROVEN,
        active_job=job,
        progress=progress_of(job, now) if job else None,
        waiting=waiting.get(job.pk) if job else None,
        binlogs=binlogs,
    )


def _count_levels(instances: QuerySet[Instance]) -> dict[str, int]:
    rows = instances.order_by().values_list("protection__level").annotate(count=Count("pk"))
    counts = {level.value: 0 for level in Level}
    for level, count in rows:
        counts[level or Level.UNKNOWN.value] += count
    return counts


def _running(instances: QuerySet[Instance]) -> QuerySet[Instance]:
    # From the few active jobs, not from the jobs of each instance.
    busy = Job.objects.filter(status__in=ACTIVE_JOB_STATUSES)
    return instances.filter(pk__in=busy.values("instance"))


def _filtered(instances: QuerySet[Instance], state: str, search: str) -> QuerySet[Instance]:
    if state == RUNNING:
        instances = _running(instances)
    elif state == Level.UNKNOWN:
        instances = instances.filter(Q(protection__level=state) | Q(protection=None))
    elif state:
        instances = instances.filter(protection__level=state)
    if search:
        words = Q(name__icontains=search) | Q(host__icontains=search)
        instances = instances.filter(words)
    return instances


def _ordered(instances: QuerySet[Instance], sorting: Sorting) -> QuerySet[Instance]:
    order = _ORDERS[sorting.column]
    if sorting.descending:
        return instances.order_by(OrderBy(order, descending=True, nulls_last=True), "name")
    return instances.order_by(OrderBy(order, nulls_first=True), "name")


def _stale_since(now: datetime) -> datetime | None:
    """Return when the states were last updated, if updates are overdue; else None."""
    row = InstanceProtection.objects.order_by("next_check_at").first()
    overdue = row is not None and now - row.next_check_at > max(CHECK_EVERY, timedelta(minutes=1))
    return row.judged_at if row and overdue else None


def _sentence(counts: Mapping[str, int]) -> str:
    """Return how much of the fleet is protected, without disabled instances."""
    total = sum(counts[level.value] for level in Level if level is not Level.DISABLED)
    if not total:
        return ""
    good = counts[Level.PROTECTED.value]
    if good == total:
        return (
            f"All {total:,} instances are protected." if total > 1 else "The instance is protected."
        )
    percent = min(99, good * 100 // total)
    are = "instance is" if total == 1 else "instances are"
    return f"{good:,} of {total:,} {are} protected: {percent} %."


def _tiles(counts: Mapping[str, int], state: str, search: str) -> list[StateTile]:
    total = sum(counts[level.value] for level in Level)
    kept = QueryDict(mutable=True)
    if search:
        kept["q"] = search
    tiles = [StateTile("Instances", total, "", f"?{kept.urlencode()}", current=not state)]
    for name, word, tone, note in _TILES:
        count = counts[name]
        if count or name != Level.DISABLED:
            kept["state"] = name
            shown = tone if count else ""
            tiles.append(StateTile(word, count, shown, f"?{kept.urlencode()}", name == state, note))
    return tiles


_TILES = (
    (Level.UNPROTECTED.value, "Unprotected", "bad", "no backup, or no schedule"),
    (Level.AT_RISK.value, "At risk", "warn", "failed, missed or too old"),
    (Level.UNKNOWN.value, "Unknown", "unknown", "not evaluated yet"),
    (Level.PROTECTED.value, "Protected", "ok", "scheduled, recent, no problems"),
    (RUNNING, "Job running", "busy", "or queued"),
    (Level.DISABLED.value, "Disabled", "idle", "not backed up"),
)
# The sort key of each column; an instance without a backup is the oldest and the smallest.
_ORDERS: Mapping[str, Expression | F] = {
    "state": Coalesce("protection__rank", RANKS[Level.UNKNOWN]),
    "name": F("name"),
    "age": F("protection__backup_at"),
    "full": F("protection__full_at"),
    "incremental": F("protection__link_at"),
    "size": F("protection__raw_bytes"),
    "took": F("protection__run_time"),
    "lock": F("protection__lock_time"),
    "next": F("protection__next_run_at"),
}
