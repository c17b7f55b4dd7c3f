"""How many jobs may run at the same time, and on what?

A limit counts running jobs on one resource. To limit by another resource, return one more
``Limit`` here: claims, queueing and the texts on pages follow from it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from django.conf import settings

from backups.models import Instance, Job
from backups.models.instance import RunnerKind
from backups.states import Operation

GLOBAL = "mooring"
THIS_HOST = "localhost"


@dataclass(frozen=True, slots=True, order=True)
class Limit:
    """At most ``most`` running jobs hold a place of ``resource``."""

    resource: str
    most: int


def limits_of(job: Job) -> list[Limit]:
    """Return every limit ``job`` runs under, in the one order in which all jobs take places."""
    limits = []
    if settings.MAX_JOBS:
        limits.append(Limit(GLOBAL, settings.MAX_JOBS))
    # A restore, verify or purge reads a repository and puts no load on the instance's host.
    if settings.MAX_JOBS_PER_HOST and job.operation == Operation.BACKUP:
        limits.append(Limit(f"host:{host_of(job.instance)}", settings.MAX_JOBS_PER_HOST))
    limited = job.repositories.exclude(max_jobs=None)
    limits += [
        Limit(f"repository:{repository.pk}", repository.max_jobs or 0) for repository in limited
    ]
    # One order for all jobs, so that two claims never deadlock.
    return sorted(limits)


def host_of(instance: Instance) -> str:
    """Name the host that an instance's backup loads; instances of one host share it."""
    if instance.runner == RunnerKind.SSH:
        host = instance.ssh_host
    elif instance.socket:
        return THIS_HOST
    else:
        host = instance.host
    host = host.lower().rstrip(".")
    return THIS_HOST if _is_loopback(host) else host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
