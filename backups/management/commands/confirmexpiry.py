"""Let expiry continue after it was held: the clock is right, and that much may be purged."""

from __future__ import annotations

from typing import Any

from django.utils.timezone import now

from backups.activity import record
from backups.health.clock_jump import confirm_clock
from backups.management.output import Answer, MooringCommand
from backups.models.activity import Verb
from backups.retention.expiry import expire_backups


class Command(MooringCommand):
    help = (
        "Let expiry continue after it was held: you have checked the date of this host, and that "
        "what is older than its schedule keeps it may be purged."
    )

    def answer(self, options: dict[str, Any]) -> Answer:
        moment = now()
        purges = expire_backups(moment, confirmed=True)
        confirm_clock(moment)
        record(Verb.RESUMED, details={"what": "expiry", "purges": purges})
        return Answer({"purges": purges}, [f"expiry continues; {purges} purges were requested"])
