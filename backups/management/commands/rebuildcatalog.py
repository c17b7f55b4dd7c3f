"""Rebuild instances, backups and copies from what a repository holds."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from backups.activity import record
from backups.catalog.register import RebuiltBackup, rebuild
from backups.exceptions import KeyUnavailable
from backups.keys.load import load_keys
from backups.management.output import DONE, FAILED, Answer, MooringCommand, table
from backups.management.rows import named_repository
from backups.models.activity import Verb
from backups.units import format_count


class Command(MooringCommand):
    help = "Rebuild instances, backups and copies from what a repository holds."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("repository")
        parser.add_argument(
            "--allow-unencrypted",
            action="store_true",
            help="Register unencrypted backups in an encrypted repository too: from before its "
            "encryption was enabled. Anyone who can write the disk can forge one.",
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        repository = named_repository(options["repository"])
        try:
            keyring = load_keys()
        except KeyUnavailable as exc:
            # Unencrypted backups need none; each encrypted one will report its own error.
            self.progress_console(options).print(f"no keys available: {exc}")
            keyring = None
        allow_unencrypted: bool = options["allow_unencrypted"]
        findings = list(rebuild(repository, keyring, allow_unencrypted=allow_unencrypted))
        added = sum(finding.added for finding in findings)
        record(Verb.REBUILT, repository, details={"backups": len(findings), "added": added})
        unreadable = [finding for finding in findings if finding.error]
        rows = [(finding.label or finding.folder, _verdict(finding)) for finding in findings]
        summary = (
            f"{format_count(len(findings), 'backup')} in {repository}: {added} added, "
            f"{len(unreadable)} unreadable"
        )
        fields = {
            "repository": repository.name,
            "added": [finding.label for finding in findings if finding.added],
            "known": [finding.label for finding in findings if finding.label and not finding.added],
            "unreadable": [
                {"folder": problem.folder, "error": problem.error} for problem in unreadable
            ],
        }
        shown: list[RenderableType] = [table(("backup", ""), rows), summary]
        return Answer(fields, shown, FAILED if unreadable else DONE)


def _verdict(finding: RebuiltBackup) -> str:
    return finding.error or ("added" if finding.added else "already known")
