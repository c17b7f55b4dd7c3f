"""Creates the key file for the encryption of new backups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.db import transaction

from backups.activity import record
from backups.archive.keys import Keyring, create_key_file
from backups.exceptions import BadInput
from backups.keys.load import load_keys
from backups.management.output import Answer, MooringCommand
from backups.models.activity import Verb

WARNING = (
    "Keep a copy of this file in another place, on paper if need be: "
    "without it, backups encrypted with it can never be opened."
)


class Command(MooringCommand):
    help = "Create the key file for the encryption of new backups."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--if-missing", action="store_true", help="Keep an existing key.")

    def answer(self, options: dict[str, Any]) -> Answer:
        text, path = settings.BACKUP_KEY_TEXT, settings.BACKUP_KEY_FILE
        exists = bool(text) or path.exists()
        if exists and not options["if_missing"]:
            source = "MOORING_BACKUP_KEY holds a key" if text else f"{path} exists"
            raise BadInput(
                f"no key created: {source}",
                hint="Run rotatekeys to use a new key and keep the old one for old backups.",
            )
        keyring = load_keys() if exists else _create(path)
        place = "MOORING_BACKUP_KEY" if text else str(path)
        fields = {"key_id": keyring.current.id, "source": place, "created": not exists}
        if exists:
            return Answer(fields, [f"Backup key {keyring.current.id} is already in {place}."])
        return Answer(fields, [f"Created backup key {keyring.current.id} in {place}.", WARNING])


def _create(path: Path) -> Keyring:
    # In a transaction: no key is created without a record of who did it.
    with transaction.atomic():
        keyring = create_key_file(path)
        record(Verb.ADDED, details={"key": keyring.current.id, "file": str(path)})
    return keyring
