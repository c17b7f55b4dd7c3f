"""Copies one backup after the other, the full one first; each is registered when it is whole."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.db import transaction
from django.utils.timezone import now

from backups.access import checked_store, identity_of
from backups.archive.copy_packs import SourceDamaged, copy_packs
from backups.archive.meter import Meter
from backups.archive.passing import passing_manifest
from backups.archive.read_back import compare_pieces, open_packs
from backups.archive.reader import BackupReader
from backups.catalog.copies import register_copy
from backups.exceptions import LeaseLost, StageFailed
from backups.keys.load import load_keys
from backups.models import Backup, BackupCopy, Job
from backups.repositories.base import ObjectStore
from backups.repositories.layout import manifest_name
from backups.repositories.sequential.store import sequential
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.copying.open_source import damage_found, refuse_parts
from backups.stages.copying.work import CopyingWork, MissingLink
from backups.stages.link_stages import MOST_LINKS_LISTED, name_of_link
from backups.stages.media import stopped_with
from backups.states import CopyStatus
from backups.transitions.jobs import own
from backups.units import format_bytes, format_count


class CopyBackups(PlainStage[CopyingWork]):
    name = "copy backups"

    def children(self, run: Run) -> Sequence[str]:
        return _listed(run.job)

    def run(self, run: Run, work: CopyingWork) -> str:
        meter = run.new_meter()
        packs = [pack for link in work.missing for pack in link.reader.manifest.contents.packs]
        meter.raw_bytes_total = sum(pack.stored_bytes for pack in packs)
        meter.files_total = len(packs)
        listed = set(_listed(run.job))
        for link in work.missing:
            name = name_of_link(link.copy.backup.ancestors.count())
            if name in listed:
                run.stage_started(name, now())
            self._copy(run, work, link, meter)
            run.log(self.name, f"{link.label} is in {work.target}")
            if name in listed:
                stored = format_bytes(link.copy.stored_bytes)
                moment = link.label.rpartition("@")[2]
                run.stage_ended(name, now(), detail=f"{moment}: {stored}")
        backups = format_count(len(work.missing), "backup")
        return f"{backups}, {format_bytes(meter.raw_bytes)} copied to {work.target}"

    def clean_up(self, run: Run, work: CopyingWork) -> None:
        if not work.unfinished or not _is_ours(run, work):
            return
        # If another disk is mounted at the path, a tick removes the bytes when theirs is back.
        freed = checked_store(work.target).remove_tree(work.unfinished)
        run.forget_leftovers()
        run.log(self.name, f"removed {format_bytes(freed)} of the unfinished copy")

    def _copy(self, run: Run, work: CopyingWork, link: MissingLink, meter: Meter) -> None:
        store, folder = checked_store(work.target), link.copy.path
        if store.exists(manifest_name(folder)):
            raise StageFailed(
                f"{work.target} has a backup {link.label} that is not registered",
                hint=f"Run ./mooring manage rebuildcatalog {work.target}.",
            )
        _reserve(run, work, link)
        # Nobody's: what an ended job has left is known, and removed before.
        store.remove_tree(folder)
        try:
            threads = settings.COPY_THREADS
            with stopped_with(run, [link.reader.store, store]):
                copy_packs(
                    link.reader, store, folder, threads=threads, check=run.check, meter=meter
                )
        except SourceDamaged as exc:
            raise damage_found(run, work, link, exc) from None
        with stopped_with(run, [store]):
            _copy_manifest(link, store)
        reader = _read_back(run, link, store)
        with transaction.atomic():
            # First, so that a run that has lost its lease registers nothing.
            own(run.job, run.token, leftovers=False, base=None)
            if link.copy.backup.base is not None:
                _lock_base(link.copy.backup.base, work)
            register_copy(link.copy.backup, work.target, folder, reader)
        work.unfinished = ""


def _is_ours(run: Run, work: CopyingWork) -> bool:
    """Whether the folder is still this job's to remove: one that lost its lease has a successor."""
    try:
        own(run.job, run.token, leftovers=True)
    except LeaseLost:
        return False
    known = BackupCopy.objects.filter(repository=work.target, path=work.unfinished)
    return not known.exclude(status=CopyStatus.PURGED).exists()


def _listed(job: Job) -> list[str]:
    """Name the backups of the chain that the target lacks; none where it is only one."""
    if job.copy is None:
        return []
    targets = job.repositories.exclude(pk=job.copy.repository_id)
    there = BackupCopy.objects.filter(repository__in=targets).values("backup")
    needed = job.copy.backup.ancestors.exclude(ancestor__in=there)
    positions = [*needed.values_list("position", flat=True), job.copy.backup.ancestors.count()]
    if not 1 < len(positions) < MOST_LINKS_LISTED:
        return []
    return [name_of_link(position) for position in positions]


def _reserve(run: Run, work: CopyingWork, link: MissingLink) -> None:
    """Record where a tick would find leftovers, and hold the base in the target."""
    base = link.copy.backup.base
    with transaction.atomic():
        if base is not None:
            _lock_base(base, work)
        # A purge looks for running jobs with this base.
        own(run.job, run.token, label=link.label, leftovers=True, base=base)
    work.unfinished = link.copy.path
    # After the row says where we write: whoever clears up there looks for it.
    refuse_parts([link.copy], work.target, run.job)


def _lock_base(base: Backup, work: CopyingWork) -> None:
    """Raise StageFailed unless the target has what the backup is based on."""
    rows = BackupCopy.objects.select_for_update().filter(backup=base, repository=work.target)
    if not rows.filter(status=CopyStatus.STORED).exists():
        raise StageFailed(
            f"{base.label}, which the backup needs, is being deleted in {work.target}",
            hint="Copy it again.",
        )


def _copy_manifest(link: MissingLink, store: ObjectStore) -> None:
    """Write the same bytes, once every pack is durable."""
    blob = passing_manifest(link.reader)
    with store.create(manifest_name(link.copy.path)) as upload:
        upload.write(blob)
        upload.commit()


def _read_back(run: Run, link: MissingLink, store: ObjectStore) -> BackupReader:
    """Open what was written with the keys on disk; ArchiveError if it is not the same backup."""
    keyring = load_keys() if link.copy.encrypted else None
    reader = BackupReader(store, link.copy.path, keyring, identity_of(link.copy))
    reader.check_sizes()
    if (media := sequential(store)) is not None:
        compare_pieces(reader, media)
    else:
        open_packs(reader, run.check)
    return reader
