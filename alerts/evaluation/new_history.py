"""What is the other server at an instance's address, and which alert settings follow to it?

Where it begins a new history, rule settings and silences of the instance apply to it as well: they
are settings of what is at that address, as are its schedules.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from alerts.models import RuleSetting, Silence
from backups.activity import record
from backups.instances.identity import Replacement, accept_server
from backups.models import Instance
from backups.models.activity import Verb


@transaction.atomic
def confirm_server(
    instance: Instance, kind: Replacement, now: datetime, *, seen: str = ""
) -> Instance:
    """Accept the other server, and return the instance that it belongs to from now on.

    With ``seen``, refused if it is not the one that the person was shown.
    """
    accepted = accept_server(instance, kind, now, seen=seen)
    if accepted.pk != instance.pk:
        _carry_over(instance, accepted)
    details = {"server": accepted.server_identity, "as": kind.value}
    record(Verb.CONFIRMED, accepted, details=details)
    return accepted


def _carry_over(old: Instance, new: Instance) -> None:
    for setting in RuleSetting.objects.filter(instance=old):
        setting.pk, setting.instance = None, new
        setting.save(force_insert=True)
    for silence in Silence.objects.filter(instances=old):
        silence.instances.add(new)
