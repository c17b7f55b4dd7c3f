"""The fields of a retention policy, in the forms of schedules and of repositories."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.forms.fields import LengthField

RETENTION_LABELS: Mapping[str, str] = {
    "keep_for": "Recovery window",
    "keep_least": "Keep at least",
    "keep_chains": "Chains",
    "keep_hourly": "Hourly",
    "keep_daily": "Daily",
    "keep_weekly": "Weekly",
    "keep_monthly": "Monthly",
    "keep_yearly": "Yearly",
    "keep_proven": "Proven backups that remain",
}
RETENTION_HELP: Mapping[str, str] = {
    "keep_least": "Number of backups per instance that are kept at any age.",
    "keep_chains": "Newest full backups, with all that go on from them.",
    "keep_hourly": "Newest backup of so many hours.",
    "keep_daily": "Of so many days.",
    "keep_weekly": "Of so many weeks, from Monday.",
    "keep_monthly": "Of so many months.",
    "keep_yearly": "Of so many years.",
    "keep_proven": "Nothing is deleted while fewer are proven and present. 0: no proof is needed.",
}


def keep_for_field() -> LengthField:
    return LengthField(
        label=RETENTION_LABELS["keep_for"],
        required=False,
        help_text="Younger backups are kept, and the newest one before. Blank, and all counts 0: "
        "for ever.",
    )
