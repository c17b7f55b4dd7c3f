"""Check that the available keys open every data key of backups and binlogs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import RenderableType

from backups.binlog_archive.storing.rotation import check_segment_keys
from backups.keys.load import load_keys
from backups.keys.rotation import check_data_keys
from backups.management.output import DONE, FAILED, Answer, MooringCommand, table


class Command(MooringCommand):
    help = "Check that the available keys open every data key of backups and binlogs."

    def answer(self, options: dict[str, Any]) -> Answer:
        keyring = load_keys()
        findings = [*check_data_keys(keyring), *check_segment_keys(keyring)]
        faults = sum(bool(finding.error) for finding in findings)
        rows = [
            (finding.label, finding.repository, finding.key_id, finding.error or "opens")
            for finding in findings
        ]
        summary = f"{len(findings) - faults} of {len(findings)} data keys open"
        fields = {"keys": [key.id for key in keyring.keys], "copies": [asdict(f) for f in findings]}
        shown: list[RenderableType] = [
            table(("backup or binlog", "repository", "key", ""), rows),
            summary,
        ]
        return Answer(fields, shown, FAILED if faults else DONE)
