"""Accepts a copy whose manifest has changed, after it was looked at."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.catalog.accept import ChangedCopy, accept_changed, inspect_changed
from backups.catalog.copies import named_copy
from backups.exceptions import BadInput
from backups.management.output import Answer, MooringCommand, table


class Command(MooringCommand):
    help = (
        "Show in which way a copy differs from what was registered; with --digest, accept it. "
        "Its evidence no longer counts."
    )

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("label")
        parser.add_argument("--repository", help="Use the copy in this repository.")
        parser.add_argument(
            "--digest", help="Accept the copy, if this is the digest that is found there."
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        changed = inspect_changed(named_copy(options["label"], options["repository"]))
        accepted = options["digest"] is not None
        if accepted:
            if options["digest"] != changed.manifest.digest:
                raise BadInput(
                    f"the digest found is {changed.manifest.digest}, not {options['digest']}",
                    hint="Check the copy again: run the command without --digest.",
                )
            accept_changed(changed, now())
        return Answer(
            {
                "copy": str(changed.copy),
                "registered": changed.registered,
                "found": changed.found,
                "accepted": accepted,
            },
            [*_comparison(changed), *_conclusion(changed, accepted=accepted)],
        )


def _comparison(changed: ChangedCopy) -> list[Any]:
    """Any: what the console can render."""
    return [table(("", "registered", "found"), changed.compared), ""]


def _conclusion(changed: ChangedCopy, *, accepted: bool) -> list[str]:
    copy = changed.copy
    if accepted:
        return [f"{copy} is accepted, and unproven: verify it and test its restore."]
    return [
        f"Nothing was changed. If you know who changed {copy}, and why, accept it:",
        f"./mooring manage acceptcopy {copy.backup.label} --repository {copy.repository} "
        f"--digest {changed.manifest.digest}",
    ]
