"""Rebuild instances, backups, copies and binlogs from what a repository holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from backups.activity import record
from backups.binlog_archive.storing.rebuild import RebuiltSegment, rebuild_segments
from backups.catalog.register import RebuiltBackup, rebuild
from backups.exceptions import BadInput, KeyUnavailable
from backups.keys.load import load_keys
from backups.management.output import DONE, FAILED, Answer, MooringCommand, table
from backups.management.rows import named_repository
from backups.models import Repository
from backups.models.activity import Verb
from backups.units import format_count


class Command(MooringCommand):
    help = "Rebuild instances, backups, copies and binlogs from what a repository holds."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("repository")
        parser.add_argument(
            "--allow-unencrypted",
            action="store_true",
            help="Register unencrypted backups in an encrypted repository too: from before its "
            "encryption was enabled. Anyone who can write the disk can forge one.",
        )

        parser.add_argument(
            "--pieces",
            type=Path,
            help="File with the names of the pieces on sequential media, one a line, where the "
            "medium cannot list them.",
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
        pieces = _read_names(options["pieces"], repository)
        findings = list(
            rebuild(repository, keyring, allow_unencrypted=allow_unencrypted, pieces=pieces)
        )
        added = _added(findings)
        binlogs = list(rebuild_segments(repository, keyring, allow_unencrypted=allow_unencrypted))
        details = {"backups": len(findings), "added": added, "binlog_pieces": _added(binlogs)}
        record(Verb.REBUILT, repository, details=details)
        return _answer(repository, findings, binlogs)


def _read_names(file: Path | None, repository: Repository) -> list[str] | None:
    if file is None:
        return None
    if not repository.is_sequential:
        raise BadInput(f"{repository} is not on sequential media: it lists what it holds itself")
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise BadInput(f"{file} cannot be read: {exc}") from None


def _answer(
    repository: Repository, findings: Sequence[RebuiltBackup], binlogs: Sequence[RebuiltSegment]
) -> Answer:
    unreadable = [finding for finding in findings if finding.error]
    faults = [piece for piece in binlogs if piece.error]
    fields = {
        "repository": repository.name,
        "added": [finding.label for finding in findings if finding.added],
        "known": [finding.label for finding in findings if finding.label and not finding.added],
        "unreadable": [{"folder": each.folder, "error": each.error} for each in unreadable],
        "binlog_pieces_added": _added(binlogs),
        "binlog_pieces_unreadable": [{"name": each.name, "error": each.error} for each in faults],
    }
    rows = [(finding.label or finding.folder, _verdict(finding)) for finding in findings]
    rows += [(each.name, each.error) for each in faults]
    shown: list[RenderableType] = [
        table(("backup", ""), rows),
        f"{format_count(len(findings), 'backup')} in {repository}: {_added(findings)} added, "
        f"{len(unreadable)} unreadable",
    ]
    if binlogs:
        shown.append(
            f"{format_count(len(binlogs), 'piece')} of binlogs: {_added(binlogs)} added, "
            f"{len(faults)} unreadable"
        )
    return Answer(fields, shown, FAILED if unreadable or faults else DONE)


def _added(findings: Sequence[RebuiltBackup | RebuiltSegment]) -> int:
    return sum(finding.added for finding in findings)


def _verdict(finding: RebuiltBackup) -> str:
    return finding.error or ("added" if finding.added else "already known")
