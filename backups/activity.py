"""Who did what, and how is it recorded?

Each entry point names the actor once (``acting_as``); whatever is changed inside calls ``record``.
No secret is passed in: names of fields, never the values of passwords.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from django.db.models import Model

from backups.models.activity import Activity, Verb
from backups.models.catalog import Backup, BackupCopy
from backups.models.instance import Instance
from backups.models.job import Job

WEB, COMMAND, ITSELF = "site", "command line", "mooring"


@dataclass(frozen=True, slots=True)
class Actor:
    """A user, or Mooring itself."""

    name: str
    via: str
    # The client's address; blank for this machine.
    address: str = ""


def _mooring() -> Actor:
    return Actor(ITSELF, ITSELF)


# A callable, because the logged-in user is known only later in the request.
_acting: ContextVar[Callable[[], Actor]] = ContextVar("acting", default=_mooring)


@contextmanager
def acting_as(find_actor: Callable[[], Actor]) -> Iterator[None]:
    """Attribute everything recorded inside to the actor that ``find_actor`` returns then."""
    token = _acting.set(find_actor)
    try:
        yield
    finally:
        _acting.reset(token)


def current_actor() -> Actor:
    return _acting.get()()


def command_actor() -> Actor:
    """Return the operating system's user of this process, by its real uid."""
    number = os.getuid()
    try:
        return Actor(pwd.getpwuid(number).pw_name, COMMAND)
    except KeyError:
        return Actor(f"uid {number}", COMMAND)


def record(
    verb: Verb,
    subject: Model | None = None,
    *,
    actor: Actor | None = None,
    details: Mapping[str, object] | None = None,
) -> None:
    """Record that ``actor``, by default the current one, did ``verb`` to ``subject``."""
    actor = actor or current_actor()
    Activity.objects.create(
        verb=verb,
        actor=actor.name[:150],
        via=actor.via,
        address=actor.address[:45],
        kind=str(subject._meta.verbose_name)[:40] if subject is not None else "",
        name=_name_of(subject)[:200],
        number=subject.pk if subject is not None and isinstance(subject.pk, int) else None,
        instance_name=_instance_of(subject),
        details=dict(details or {}),
    )


def _name_of(subject: Model | None) -> str:
    if isinstance(subject, Job):
        return f"{subject.get_operation_display().lower()} {subject.pk}"
    return str(subject) if subject is not None else ""


def _instance_of(subject: Model | None) -> str:
    if isinstance(subject, Instance):
        return subject.name
    if isinstance(subject, Job | Backup):
        return subject.instance.name
    if isinstance(subject, BackupCopy):
        return subject.backup.instance.name
    return ""
