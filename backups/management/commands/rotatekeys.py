"""Creates a new key, and rewraps every data key and every password with the newest one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from rich.console import RenderableType

from backups.activity import record
from backups.archive.keys import add_key
from backups.binlog_archive.storing.rotation import rewrap_segment_keys
from backups.exceptions import BadInput
from backups.keys.load import load_keys
from backups.keys.rotation import rewrap_data_keys, rotate_passwords
from backups.management.output import DONE, FAILED, Answer, MooringCommand, table
from backups.models.activity import Verb


class Command(MooringCommand):
    help = "Rewrap every data key of backups and binlogs with a new key. Packs are not changed."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--no-new-key",
            action="store_true",
            help="Finish a rotation: use the key that is first in the file.",
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        if not options["no_new_key"]:
            if settings.BACKUP_KEY_TEXT:
                raise BadInput(
                    "the keys are in MOORING_BACKUP_KEY, which this command cannot change",
                    hint="Put a new key first in that list and use --no-new-key.",
                )
            add_key(settings.BACKUP_KEY_FILE)
        keyring = load_keys()
        findings = [*rewrap_data_keys(keyring), *rewrap_segment_keys(keyring)]
        passwords = rotate_passwords()
        rewrapped = sum(finding.changed for finding in findings)
        details = {"key": keyring.current.id, "data_keys": rewrapped, "passwords": passwords}
        record(Verb.ROTATED, details=details)
        faults = sum(bool(finding.error) for finding in findings)
        rows = [
            (
                finding.label,
                finding.repository,
                finding.key_id,
                finding.error or ("rewrapped" if finding.changed else "unchanged"),
            )
            for finding in findings
        ]
        fields = {
            "key": keyring.current.id,
            "copies": [asdict(finding) for finding in findings],
            "passwords": passwords,
        }
        shown: list[RenderableType] = [
            table(("backup or binlog", "repository", "key", ""), rows),
            f"key {keyring.current.id}: {len(findings) - faults} of {len(findings)} data keys, "
            f"{passwords} passwords",
            "Keep a copy of the key file apart from the repositories: no backup opens without it.",
        ]
        return Answer(fields, shown, FAILED if faults else DONE)
