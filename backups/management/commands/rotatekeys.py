"""Make a new key, and put every backup's data key and every password under the newest one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from rich.console import RenderableType

from backups.activity import record
from backups.archive.keys import add_key
from backups.exceptions import BadInput
from backups.keys.load import load_keys
from backups.keys.rotation import rewrap_data_keys, rotate_passwords
from backups.management.output import DONE, FAILED, Answer, MooringCommand, table
from backups.models.activity import Verb


class Command(MooringCommand):
    help = "Put every backup's data key under a new key. Packs are not touched."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--no-new-key",
            action="store_true",
            help="Only finish a rotation: use the key that stands first already.",
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        if not options["no_new_key"]:
            if settings.BACKUP_KEY_TEXT:
                raise BadInput(
                    "the keys are in MOORING_BACKUP_KEY, which this command cannot change",
                    hint="Put a new key in front of the list there and say --no-new-key.",
                )
            add_key(settings.BACKUP_KEY_FILE)
        keyring = load_keys()
        found = list(rewrap_data_keys(keyring))
        passwords = rotate_passwords()
        rewrapped = sum(each.changed for each in found)
        details = {"key": keyring.current.id, "data_keys": rewrapped, "passwords": passwords}
        record(Verb.ROTATED, details=details)
        faults = sum(bool(each.error) for each in found)
        rows = [
            (
                each.label,
                each.repository,
                each.key_id,
                each.error or ("rewrapped" if each.changed else "was already"),
            )
            for each in found
        ]
        fields = {
            "key": keyring.current.id,
            "copies": [asdict(each) for each in found],
            "passwords": passwords,
        }
        shown: list[RenderableType] = [
            table(("backup", "repository", "key", ""), rows),
            f"key {keyring.current.id}: {len(found) - faults} of {len(found)} data keys, "
            f"{passwords} passwords",
            "Keep a copy of the key file apart from the repositories: without it nothing opens.",
        ]
        return Answer(fields, shown, FAILED if faults else DONE)
