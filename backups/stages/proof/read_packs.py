"""Reads every stored byte of a copy and compares it with its manifest; pages too on request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings

from backups.access import refuse_unusable
from backups.archive.blocks.verify import ChainReport, verify_chain
from backups.archive.meter import Meter
from backups.archive.reader import BackupReader
from backups.archive.verify import VerifyReport
from backups.archive.whole_reads import read_in_full
from backups.catalog import page_results
from backups.catalog.copies import copy_of, labels_needing, open_chain
from backups.exceptions import ArchiveError
from backups.models import BackupCopy, Evidence, Job
from backups.models.job import LogLevel
from backups.page_check import PageCheck, PageReport
from backups.parameters import VerifyParameters
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.link_stages import LinkStages, link_names
from backups.stages.media import stopped_with
from backups.stages.proof.evidence import failure_as_evidence, record
from backups.states import Operation
from backups.units import format_count


@dataclass(slots=True)
class VerifyWork:
    copy: BackupCopy
    # Whether InnoDB's pages are checked: as requested, or because damaged ones were found before.
    pages: bool = False
    pages_again: bool = False


def verify_work(job: Job, asked: VerifyParameters) -> VerifyWork:
    copy = copy_of(job)
    # Which pages are final shows in the indexes, which are at the ends of the packs.
    may_check = not copy.repository.is_sequential
    pages_again = may_check and not asked.pages and had_damaged_pages(copy)
    return VerifyWork(copy, asked.pages or pages_again, pages_again)


def had_damaged_pages(copy: BackupCopy) -> bool:
    """Whether the newest verify found any: a pass without a page check would hide them."""
    newest = Evidence.objects.filter(copy=copy, operation=Operation.VERIFY).first()
    return newest is not None and bool(newest.report.get("pages", {}).get("damaged"))


class ReadPacks(PlainStage[VerifyWork]):
    name = "read packs"
    may_refuse = True

    def children(self, run: Run) -> Sequence[str]:
        return link_names(run.job)

    def run(self, run: Run, work: VerifyWork) -> str:
        with failure_as_evidence(run, work.copy, self.name):
            chain = open_chain(work.copy)
        if work.pages_again:
            run.log(self.name, "checking pages as well: the last verify found damaged pages")
        if whole := read_in_full(chain):
            run.log(self.name, whole)
        links = LinkStages(run, chain)
        report, pages = self._read(run, chain, work.pages, links)
        passed = report.passed and not (pages and pages.damaged)
        record(
            run,
            work.copy,
            passed=passed,
            report=as_json(report, pages, chain[:-1]),
            parts=_parts(work.copy, chain[:-1], report),
        )
        self._log(run, report, pages)
        if not report.passed:
            self._name_dependents(run, work.copy)
            raise ArchiveError(
                f"{len(report.damages)} faults found, the first: {report.damages[0]}",
                hint="Take a new backup now; the log lists every fault, "
                "and tables in undamaged packs can still be restored.",
            )
        if pages and pages.damaged:
            raise ArchiveError(
                f"the stored bytes match, but {page_results.count_pages(pages.damaged)} came from "
                f"the server damaged, the first: {page_results.damage_in_words(pages.named[0])}",
                hint=page_results.DAMAGE_HINT,
            )
        packs, frames = format_count(report.packs, "pack"), format_count(report.frames, "frame")
        done = f"{packs}, {frames}, {format_count(report.files, 'file')} match"
        done += links.in_words()
        return f"{done}; {page_results.summary(page_results.as_json(pages))}" if pages else done

    def _read(
        self, run: Run, chain: Sequence[BackupReader], with_pages: bool, links: LinkStages
    ) -> tuple[ChainReport, PageReport | None]:
        def alive() -> None:
            run.check()
            # Indexes are read before the first byte is counted.
            run.alive()

        meter = run.new_meter()
        if not with_pages:
            return self._verify(run, chain, meter, watch=links), None
        pages = PageCheck(chain[-1], check=alive, meter=meter, needed=chain[:-1])
        report = self._verify(run, chain, meter, watch=links, inspect=pages.inspect)
        return report, pages.finish()

    # Any: options of verify, such as a callback for each frame.
    def _verify(
        self, run: Run, chain: Sequence[BackupReader], meter: Meter, **more: Any
    ) -> ChainReport:
        threads = settings.COPY_THREADS
        refuse = partial(refuse_unusable, copy_of(run.job).repository)
        with stopped_with(run, (reader.store for reader in chain)):
            return verify_chain(
                chain, threads=threads, check=run.check, meter=meter, refuse=refuse, **more
            )

    def _name_dependents(self, run: Run, copy: BackupCopy) -> None:
        """Log which other backups cannot be restored either."""
        if names := ", ".join(labels_needing(copy)):
            run.log(self.name, f"needed to restore {names}", LogLevel.ERROR)

    def _log(self, run: Run, report: VerifyReport, pages: PageReport | None) -> None:
        for damage in report.damages:
            run.log(self.name, str(damage), LogLevel.ERROR)
        if pages is None:
            return
        for line in page_results.damages_in_words(pages):
            run.log("pages", line, LogLevel.ERROR)
        for line in page_results.unknown_in_words(pages):
            run.log("pages", line, LogLevel.WARNING)


def _parts(
    copy: BackupCopy, needed: Sequence[BackupReader], report: ChainReport
) -> list[tuple[BackupCopy, bool, dict[str, object]]]:
    """Return what the verify found of each backup that the copy needs.

    All stored bytes of these were read. A pass would hide damaged pages that only a check of pages
    finds.
    """
    copies = BackupCopy.objects.filter(
        repository=copy.repository, backup__uuid__in=[reader.backup for reader in needed]
    )
    by_uuid = {stored.backup.uuid: stored for stored in copies.select_related("backup")}
    parts = []
    for reader, link in zip(needed, report.links, strict=False):
        each = by_uuid[reader.backup]
        if not link.passed or not had_damaged_pages(each):
            part = {**as_json(link), "part_of": copy.backup.label}
            parts.append((each, link.passed, part))
    return parts


def as_json(
    report: VerifyReport, pages: PageReport | None = None, needed: Sequence[BackupReader] = ()
) -> dict[str, object]:
    fields: dict[str, object] = {
        "packs": report.packs,
        "frames": report.frames,
        "files": report.files,
        "damages": [str(damage) for damage in report.damages],
    }
    if needed:
        fields["with"] = [reader.manifest.envelope.label for reader in needed]
    if pages is not None:
        fields["pages"] = page_results.as_json(pages)
    return fields
