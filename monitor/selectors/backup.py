"""What is known of one backup, its copies, and the evidence for them?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch, QuerySet

from backups.catalog.facts import details_of
from backups.catalog.page_results import summary
from backups.catalog.restorable import Obstacle
from backups.jobs.copying import possible_targets
from backups.models import (
    Backup,
    BackupCopy,
    BinlogArchive,
    Drill,
    Evidence,
    Rehearsal,
    Repository,
    WantedCopy,
)
from backups.retention.verdicts import JudgedCopy, judge_copies
from backups.states import CopyStatus, DrillPoint
from backups.table_names.choice import choice_in_words
from monitor.selectors.backup_chain import BackupChain, load_backup_chain
from monitor.selectors.backup_facts import EngineFact, engine_facts
from monitor.selectors.costs import CopyCost, copy_cost
from monitor.selectors.pace_cost import PaceCost, cost_of, has_cost
from monitor.selectors.proof import ProofSummary
from monitor.selectors.proof_reports import readable
from monitor.selectors.rehearsals import rehearsals_of_backup
from monitor.wording.restore_by_hand import ManualStep, steps_by_hand

DAMAGES_SHOWN = 5
# The newest of each copy; a backup verified every night has hundreds.
EVIDENCE_SHOWN = 8


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """The result of one verify or restore test, with its report for display."""

    evidence: Evidence
    report: str
    facts: Sequence[tuple[str, str]] = ()
    # The result of the page check; blank without one.
    pages: str = ""
    # The first damaged pages; the report has all of them.
    damages: Sequence[str] = ()
    # The backups it needs, whose bytes were read as well; or the one whose proof this was part of.
    covers: str = ""
    # What came of it when it went on to a moment.
    drill: Drill | None = None


@dataclass(frozen=True, slots=True)
class CopyRow:
    """One copy and its evidence, newest first."""

    copy: BackupCopy
    stored: bool
    evidence: list[EvidenceRow]
    hidden_evidence: int = 0
    # What retention decides about it; None if it is not stored.
    judged: JudgedCopy | None = None
    # Why nothing can be restored from it now, where that is not its own evidence's to say.
    obstacle: Obstacle | None = None

    @property
    def cost(self) -> CopyCost | None:
        return copy_cost(self.copy)


@dataclass(frozen=True, slots=True)
class BackupView:
    """The page of a backup."""

    backup: Backup
    proof: ProofSummary
    copies: list[CopyRow]
    # None where it needs no other backup, and none needs it.
    chain: BackupChain | None
    engine_facts: list[EngineFact]
    # Which tables a partial one has; blank: it is none.
    chosen: str
    # Whether a hold keeps it now.
    held: bool
    # For a restore without Mooring, from the first stored copy; empty without one.
    by_hand: Sequence[ManualStep]
    # Copies that are wanted and not there, and those that a person gave up.
    missing: Sequence[WantedCopy] = ()
    given_up: Sequence[WantedCopy] = ()
    # Further repositories that it could be copied to.
    copy_targets: Sequence[Repository] = ()
    # Whether binlogs are archived that a restore test can go on with.
    archived: bool = False
    # Newest first.
    rehearsals: Sequence[Rehearsal] = ()

    @property
    def points(self) -> Sequence[tuple[str, str]]:
        return DrillPoint.choices

    @property
    def has_stored_copy(self) -> bool:
        return any(row.stored for row in self.copies)

    @property
    def cost(self) -> PaceCost | None:
        """What it cost its instance; None is unknown."""
        return cost_of(self.backup)

    @property
    def shows_cost(self) -> bool:
        return has_cost(self.backup)

    @property
    def files(self) -> str:
        count = self.backup.file_count
        if count is None:
            return ""
        return f"in {count:,} file{'' if count == 1 else 's'}"

    @property
    def ratio(self) -> str:
        """The compression ratio, as text."""
        raw, stored = self.backup.raw_bytes, self.backup.stored_bytes
        return f"{raw / stored:.1f} : 1" if raw and stored else ""


def backups_for_pages() -> QuerySet[Backup]:
    evidence = Prefetch("evidence", Evidence.objects.select_related("job__drill").order_by("-id"))
    copies = BackupCopy.objects.select_related("repository").prefetch_related(evidence)
    return Backup.objects.select_related("instance", "base", "made_by").prefetch_related(
        Prefetch("copies", copies.order_by("id"))
    )


def load_backup(backup: Backup, now: datetime) -> BackupView:
    """Load the page of ``backup``, which was read through ``backups_for_pages``."""
    copies = list(backup.copies.all())
    stored = judge_copies(now, [backup.instance_id]) if any(map(_is_stored, copies)) else []
    judged = {
        judgement.copy.pk: judgement
        for judgement in stored
        if judgement.copy.backup_id == backup.pk
    }
    proof, chain = load_backup_chain(backup)
    needed = [link.backup.label for link in chain.needed[:-1]] if chain else []
    obstacles = proof.condition.obstacles
    wanted = list(backup.wanted_copies.select_related("repository", "job").order_by("id"))
    return BackupView(
        backup=backup,
        proof=proof,
        copies=[_copy_row(copy, judged.get(copy.pk), obstacles.get(copy.pk)) for copy in copies],
        chain=chain,
        engine_facts=engine_facts(details_of(backup)),
        chosen=choice_in_words(backup.choice),
        held=backup.held(now),
        missing=[row for row in wanted if row.dropped_at is None],
        given_up=[row for row in wanted if row.dropped_at is not None],
        copy_targets=[
            target
            for target in possible_targets(backup)
            if target.pk not in {row.repository_id for row in wanted if row.dropped_at is None}
        ],
        rehearsals=rehearsals_of_backup(backup),
        archived=BinlogArchive.objects.filter(instance=backup.instance_id).exists(),
        by_hand=next((steps_by_hand(copy, needed) for copy in copies if _is_stored(copy)), ()),
    )


def first_stored_copy(backup: Backup) -> BackupCopy | None:
    """Return the copy to read from, or None if none is stored."""
    copies = backup.copies.filter(status=CopyStatus.STORED).select_related("repository")
    return copies.order_by("id").first()


def _is_stored(copy: BackupCopy) -> bool:
    return copy.status == CopyStatus.STORED


def _copy_row(copy: BackupCopy, judged: JudgedCopy | None, obstacle: Obstacle | None) -> CopyRow:
    rows = [
        EvidenceRow(
            evidence,
            json.dumps(evidence.report, indent=2, default=str),
            readable(evidence.report),
            summary(evidence.report["pages"]) if evidence.report.get("pages") else "",
            evidence.report.get("pages", {}).get("damages", [])[:DAMAGES_SHOWN],
            _covers(evidence),
            getattr(evidence.job, "drill", None) if evidence.job is not None else None,
        )
        for evidence in copy.evidence.all()[:EVIDENCE_SHOWN]
    ]
    hidden = max(0, len(copy.evidence.all()) - EVIDENCE_SHOWN)
    return CopyRow(copy, copy.status == CopyStatus.STORED, rows, hidden, judged, obstacle)


def _covers(evidence: Evidence) -> str:
    """Return what else was read; or the proof of another backup that this is a part of."""
    if of := evidence.report.get("part_of"):
        return f"in the {evidence.get_operation_display().lower()} of {of}"
    if of := evidence.report.get("consolidation_of"):
        return f"in the consolidation of {of}"
    if of := evidence.report.get("copy_of"):
        return f"when {of} was copied"
    needed = evidence.report.get("with", [])
    return f"with {', '.join(needed)}" if needed else ""
