"""Is the server at an instance's address the one whose backups these are?

The first server that answers is the instance's own. Another one is noted, and refused by preflight,
until a person says what it is.
"""

from __future__ import annotations

import enum
from datetime import datetime

from django.db import transaction

from backups.exceptions import Refused
from backups.models import Instance


class Replacement(enum.Enum):
    """What another server at the address can be."""

    RESTORED = "restored"  # the same data, from a backup
    FAILED_OVER = "failed-over"  # another member of the same data
    ANOTHER = "another"  # other data


def is_another(instance: Instance, identity: str) -> bool:
    return bool(instance.server_identity) and identity != instance.server_identity


def note_server(instance: Instance, identity: str, now: datetime) -> None:
    """Store which server answered; ``instance`` is brought up to date with its row."""
    row = Instance.objects.filter(pk=instance.pk)
    if not is_another(instance, identity):
        row.filter(server_identity="").update(server_identity=identity)
        row.exclude(other_server="").update(other_server="", other_server_since=None)
    else:
        row.exclude(other_server=identity).update(other_server=identity, other_server_since=now)
    instance.refresh_from_db(fields=["server_identity", "other_server", "other_server_since"])


@transaction.atomic
def accept_server(
    instance: Instance, kind: Replacement, now: datetime, *, seen: str = ""
) -> Instance:
    """Accept the other server; return the instance that it belongs to from now on.

    With ``seen``, refused if another one than that is there by now.
    """
    row = Instance.objects.select_for_update().get(pk=instance.pk)
    if not row.other_server:
        raise Refused(f"no other server was seen at the address of {row}")
    if seen not in ("", row.other_server):
        raise Refused(
            f"the server at the address of {row} is {row.other_server} by now, not {seen}",
            hint="Check which server it is, and confirm again.",
        )
    identity, row.other_server, row.other_server_since = row.other_server, "", None
    if kind is not Replacement.ANOTHER:
        row.server_identity = identity
        row.save(update_fields=["server_identity", "other_server", "other_server_since"])
        return row
    return _begin_history(row, identity, now)


def _begin_history(old: Instance, identity: str, now: datetime) -> Instance:
    """Leave the history with the old row, disabled; a new row has its name and settings."""
    new = Instance.objects.get(pk=old.pk)
    old_name = f"{old.name[:45]}-until-{now:%Y%m%dT%H%M}"
    Instance.objects.filter(pk=old.pk).update(
        name=old_name, enabled=False, other_server="", other_server_since=None
    )
    new.pk, new.uuid, new.created_at = None, Instance().uuid, now
    new.server_identity, new.other_server, new.other_server_since = identity, "", None
    new.flavour = new.version = ""
    new.data_bytes = new.seen_at = new.data_device = None
    new.data_folder = new.files_unproven = ""
    new.files_confirmed, new.files_confirmed_by, new.files_confirmed_at = "", "", None
    new.save(force_insert=True)
    new.groups.set(old.groups.all())
    new.tags.set(old.tags.all())
    for schedule in old.schedules.all():
        schedule.instances.add(new)
    return new
