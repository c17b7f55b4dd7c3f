"""Every stored byte of a copy is read and held against its manifest."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from backups.archive.verify import VerifyReport, verify
from backups.exceptions import ArchiveError
from backups.models import BackupCopy, Job
from backups.models.job import LogLevel
from backups.run import Run
from backups.stages.base import PlainStage
from backups.stages.proof.evidence import failing_counts, record
from backups.stages.restore.work import copy_of, open_copy


@dataclass(slots=True)
class VerifyWork:
    copy: BackupCopy


def verify_work(job: Job) -> VerifyWork:
    return VerifyWork(copy_of(job))


class ReadPacks(PlainStage[VerifyWork]):
    name = "read packs"

    def run(self, run: Run, work: VerifyWork) -> str:
        with failing_counts(run, work.copy, self.name):
            reader = open_copy(work.copy)
        report = verify(
            reader, threads=settings.COPY_THREADS, check=run.check, meter=run.new_meter()
        )
        record(run, work.copy, passed=report.passed, report=as_json(report))
        for damage in report.damages:
            run.log(self.name, str(damage), LogLevel.ERROR)
        if not report.passed:
            raise ArchiveError(
                f"{len(report.damages)} faults, the first: {report.damages[0]}",
                hint="Take a new backup now; the log lists every fault, "
                "and tables in undamaged packs can still be restored.",
            )
        return f"{report.packs} packs, {report.frames} frames, {report.files} files match"


def as_json(report: VerifyReport) -> dict[str, object]:
    return {
        "packs": report.packs,
        "frames": report.frames,
        "files": report.files,
        "damages": [str(damage) for damage in report.damages],
    }
