"""Which steps remain before a new installation has a backup? Three steps and their state."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context

from backups.models import Backup, Instance, Job, Repository
from backups.states import ACTIVE_JOB_STATUSES, Operation
from monitor.selectors.destinations import load_destinations
from monitor.selectors.settings import key_state

register = template.Library()

# A larger fleet is set up already: no further queries.
SMALL_FLEET = 2


# Any: the context of the component's own template.
@register.inclusion_tag("components/first_steps.html", takes_context=True)
def first_steps(context: Context, instance_count: int) -> dict[str, Any]:
    """Render the steps to the first instance, repository and backup; nothing once all exist."""
    if instance_count > SMALL_FLEET or Backup.objects.exists():
        return {"open": False}
    instance = Instance.objects.filter(enabled=True).first()
    repository = Repository.objects.filter(enabled=True).first()
    backup_jobs = Job.objects.filter(operation=Operation.BACKUP).select_related("instance")
    done = [instance is not None, repository is not None, False]
    return {
        "open": True,
        "request": context["request"],
        "user": context["user"],
        "csrf_token": context.get("csrf_token"),
        "instance": instance,
        "repository": repository,
        "destinations": load_destinations(instance) if instance else None,
        "key": key_state(),
        "running": backup_jobs.filter(status__in=ACTIVE_JOB_STATUSES).first(),
        "last": backup_jobs.first(),
        "current": done.index(False) + 1,
    }
