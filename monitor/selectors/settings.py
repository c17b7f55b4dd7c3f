"""What is configured, and what may be deleted? Rows with a history may not."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q

from backups.exceptions import KeyUnavailable
from backups.keys.load import load_keys
from backups.models import (
    BackupSchedule,
    Instance,
    InstanceGroup,
    RecoveryObjective,
    Repository,
)

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class KeyState:
    """Whether new backups can be encrypted, and with which key."""

    key_id: str = ""
    problem: str = ""
    hint: str = ""


def list_instances(text: str, page: str | None) -> Page[Instance]:
    """Return instances whose name or host contains ``text``, or whose group is ``text``."""
    matches = Q(name__icontains=text) | Q(host__icontains=text) | Q(groups__name=text)
    instances = Instance.objects.filter(matches).distinct() if text else Instance.objects.all()
    return Paginator(instances.prefetch_related("groups").order_by("name"), PAGE_SIZE).get_page(
        page
    )


def list_groups() -> list[InstanceGroup]:
    """Return every group, with ``instance_count``."""
    return list(InstanceGroup.objects.annotate(instance_count=Count("instances")))


def list_objectives() -> list[RecoveryObjective]:
    """Return every objective, the widest first."""
    rows = RecoveryObjective.objects.select_related("instance", "tag", "group")
    by_width = ("group_id", "tag_id", "instance_id")
    return sorted(
        rows,
        key=lambda row: ([getattr(row, each) is not None for each in by_width][::-1], row.scope),
    )


def count_settings() -> dict[str, int]:
    """Return the counts shown on the tabs."""
    models = {
        "instances": Instance,
        "groups": InstanceGroup,
        "objectives": RecoveryObjective,
        "repositories": Repository,
    }
    return {name: model._default_manager.count() for name, model in models.items()}


def key_state() -> KeyState:
    try:
        return KeyState(load_keys().current.id)
    except KeyUnavailable as exc:
        return KeyState(problem=str(exc), hint=exc.hint)


def why_instance_stays(instance: Instance) -> str:
    """Return why an instance cannot be deleted; blank if it can."""
    counts = {
        "backup": instance.backups.count(),
        "job": instance.jobs.count(),
        "planned run": instance.occurrences.count(),
    }
    return _in_use(counts, "Disable it instead: its history is kept, and no jobs are started.")


def why_repository_stays(repository: Repository) -> str:
    """Return why a repository cannot be deleted; blank if it can."""
    counts = {
        "copy": repository.copies.count(),
        "job": repository.jobs.count(),
        "schedule": repository.schedules.count(),
    }
    return _in_use(counts, "Disable it instead: nothing is written to it, and restores still work.")


def why_group_stays(group: InstanceGroup) -> str:
    """Return why a group cannot be deleted; blank if it can."""
    schedules = BackupSchedule.objects.filter(groups=group).values_list("name", flat=True)
    names = ", ".join(schedules[:3])
    return f"It is used by schedules: {names}." if names else ""


def _in_use(counts: dict[str, int], instead: str) -> str:
    plurals = {"copy": "copies"}
    uses = [
        f"{count:,} {noun if count == 1 else plurals.get(noun, f'{noun}s')}"
        for noun, count in counts.items()
        if count
    ]
    return f"It has {', '.join(uses)}. {instead}" if uses else ""
