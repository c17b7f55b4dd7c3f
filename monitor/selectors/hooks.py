"""Which hooks belong to the jobs of an instance or a schedule? Names only, from this host's file.

What a hook runs, and why the file is refused, is for those who may read the file.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings

from backups.exceptions import BadInput
from backups.hooks.definition import Hook
from backups.hooks.hooks_file import load_hooks
from backups.hooks.selection import hooks_of, hooks_of_schedule
from backups.models import Instance


@dataclass(frozen=True, slots=True)
class HostHooks:
    """The hooks of this host, in the order of its file."""

    hooks: list[Hook]
    file: str
    host: str
    # Whether the file is refused: no job with or without hooks starts.
    refused: bool = False

    def __bool__(self) -> bool:
        return self.refused or bool(self.hooks)


def load_hooks_of_instance(instance: Instance) -> HostHooks:
    return _load(lambda hooks: hooks_of(hooks, instance))


def load_hooks_of_schedule(schedule: str) -> HostHooks:
    return _load(lambda hooks: hooks_of_schedule(hooks, schedule))


def _load(select: Callable[[tuple[Hook, ...]], list[Hook]]) -> HostHooks:
    file, host = str(settings.HOOKS_FILE), socket.gethostname()
    try:
        return HostHooks(select(load_hooks(settings.HOOKS_FILE)), file, host)
    except BadInput:
        return HostHooks([], file, host, refused=True)
