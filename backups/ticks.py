"""Did a tick run, and how did it end? Each writes a row, so that a gap can be seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.timezone import now

from backups.models import TickBeat


@contextmanager
def ticking(name: str) -> Iterator[None]:
    """Record that the tick ``name`` runs, that it ran through, or what it failed with."""
    TickBeat.objects.update_or_create(name=name, defaults={"started_at": now()})
    try:
        yield
    except Exception as exc:
        TickBeat.objects.filter(name=name).update(error=f"{type(exc).__name__}: {exc}")
        raise
    TickBeat.objects.filter(name=name).update(finished_at=now(), error="")
