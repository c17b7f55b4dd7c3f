"""What is configured, and what may go: rows with a history stay."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q

from backups.exceptions import KeyUnavailable
from backups.keys.load import load_keys
from backups.models import BackupSchedule, Instance, InstanceGroup, Repository

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class KeyState:
    """Whether new backups can be sealed, and with what."""

    key_id: str = ""
    problem: str = ""
    hint: str = ""


def list_instances(text: str, page: str | None) -> Page[Instance]:
    """Return instances whose name, host or group has ``text`` in it."""
    fits = Q(name__icontains=text) | Q(host__icontains=text) | Q(groups__name=text)
    found = Instance.objects.filter(fits).distinct() if text else Instance.objects.all()
    return Paginator(found.prefetch_related("groups").order_by("name"), PAGE_SIZE).get_page(page)


def list_groups() -> list[InstanceGroup]:
    """Return every group, with ``instance_count``."""
    return list(InstanceGroup.objects.annotate(instance_count=Count("instances")))


def count_settings() -> dict[str, int]:
    """Return what stands beside the words of the tabs."""
    models = {"instances": Instance, "groups": InstanceGroup, "repositories": Repository}
    return {name: model._default_manager.count() for name, model in models.items()}


def key_state() -> KeyState:
    try:
        return KeyState(load_keys().current.id)
    except KeyUnavailable as exc:
        return KeyState(problem=str(exc), hint=exc.hint)


def why_instance_stays(instance: Instance) -> str:
    """Say why an instance must not be deleted; blank where it may go."""
    counts = {
        "backup": instance.backups.count(),
        "job": instance.jobs.count(),
        "planned run": instance.occurrences.count(),
    }
    return _told(counts, "Disable it instead: its history stays, and no job is started.")


def why_repository_stays(repository: Repository) -> str:
    """Say why a repository must not be deleted; blank where it may go."""
    counts = {
        "copy": repository.copies.count(),
        "job": repository.jobs.count(),
        "schedule": repository.schedules.count(),
    }
    return _told(counts, "Disable it instead: nothing is written to it, and restores go on.")


def why_group_stays(group: InstanceGroup) -> str:
    """Say why a group must not be deleted; blank where it may go."""
    schedules = BackupSchedule.objects.filter(groups=group).values_list("name", flat=True)
    names = ", ".join(schedules[:3])
    return f"Schedules back up what is in it: {names}." if names else ""


def _told(counts: dict[str, int], instead: str) -> str:
    plurals = {"copy": "copies"}
    has = [
        f"{count:,} {word if count == 1 else plurals.get(word, f'{word}s')}"
        for word, count in counts.items()
        if count
    ]
    return f"It has {', '.join(has)}. {instead}" if has else ""
