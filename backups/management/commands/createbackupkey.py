"""Makes the key that new backups are sealed with."""

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
    "Keep a copy of this file somewhere else, on paper if need be: "
    "without it no backup sealed with it can ever be opened."
)


class Command(MooringCommand):
    help = "Make the key file that new backups are sealed with."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--if-missing", action="store_true", help="Leave a key that is there alone."
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        text, path = settings.BACKUP_KEY_TEXT, settings.BACKUP_KEY_FILE
        there = bool(text) or path.exists()
        if there and not options["if_missing"]:
            source = "MOORING_BACKUP_KEY holds a key" if text else f"{path} is there"
            raise BadInput(
                f"{source} already: nothing was changed",
                hint="Run rotatekeys to seal with a new key and keep the old one for old backups.",
            )
        keyring = load_keys() if there else _create(path)
        place = "MOORING_BACKUP_KEY" if text else str(path)
        fields = {"key_id": keyring.current.id, "source": place, "created": not there}
        if there:
            return Answer(fields, [f"The backup key {keyring.current.id} is in {place} already."])
        return Answer(fields, [f"Made the backup key {keyring.current.id} in {place}.", WARNING])


def _create(path: Path) -> Keyring:
    # First the database: no key appears that nobody is on record for.
    with transaction.atomic():
        keyring = create_key_file(path)
        record(Verb.ADDED, details={"key": keyring.current.id, "file": str(path)})
    return keyring
