"""How is the backup of an instance paced, and what did backups cost its writers?"""

from __future__ import annotations

from django.conf import settings

from backups.models import Instance
from backups.pacing.entered import describe_target
from backups.pacing.target import PaceTarget, decide_target


def default_target() -> PaceTarget:
    """Return what holds where neither schedule nor instance says anything."""
    return PaceTarget(
        settings.PACE_FACTOR, settings.PACE_LAG_SECONDS, settings.THROTTLE_BYTES_PER_S
    )


def pace_in_words(instance: Instance) -> str:
    """Return what holds for a backup of an instance, unless its schedule says otherwise."""
    words = describe_target(decide_target(default_target(), instance))
    return "; ".join(part for part in (words, instance.pace_hours.strip()) if part)
