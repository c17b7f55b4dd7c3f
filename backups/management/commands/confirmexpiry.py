"""Let expiry continue after it was held: the clock is right, and that much may be purged."""

from __future__ import annotations

from typing import Any

from django.utils.timezone import now

from backups.management.output import Answer, MooringCommand
from backups.retention.expiry import confirm_expiry


class Command(MooringCommand):
    help = (
        "Let expiry continue after it was held: you have checked the date of this host, and that "
        "what is older than its schedule keeps it may be purged."
    )

    def answer(self, options: dict[str, Any]) -> Answer:
        purges = confirm_expiry(now())
        return Answer({"purges": purges}, [f"expiry continues; {purges} purges were requested"])
