"""Can the backup be read? Reads it back from each repository before it counts."""

from __future__ import annotations

from contextlib import suppress

from backups.archive.read_back import compare_pieces, open_packs
from backups.archive.reader import BackupReader
from backups.exceptions import MooringError, StageFailed
from backups.keys.load import load_keys
from backups.models import Repository
from backups.repositories.base import ObjectStore
from backups.repositories.sequential.store import sequential
from backups.running.run import Run
from backups.stages.backup.work import NewBackup
from backups.stages.base import PlainStage
from backups.units import format_count


class ReadBack(PlainStage[NewBackup]):
    """Decode the manifest with the keys on disk, not those in memory, and open every pack."""

    name = "read-back"

    def run(self, run: Run, work: NewBackup) -> str:
        packs, unread = 0, list[str]()
        for repository, store in list(work.stores):
            with work.or_leave(run, repository):
                packs += self._read(run, work, repository, store)
                if sequential(store) is not None:
                    unread.append(repository.name)
            if repository in work.with_parts:
                # Without it, nobody takes what is there for a backup.
                with suppress(MooringError):
                    store.remove(work.manifest)
        done = [f"{format_count(packs, 'pack')} opened"] if packs else []
        if unread:
            # To open one would be to read it as a whole: that is what a verify does.
            done.append(f"in {', '.join(unread)} only the manifest was read: run a verify")
        return "; ".join(done)

    def _read(self, run: Run, work: NewBackup, repository: Repository, store: ObjectStore) -> int:
        if (uuid := store.identity().uuid) != str(repository.uuid):
            raise StageFailed(
                f"the path of {repository} holds another repository, {uuid}",
                hint="Check which disk is mounted there.",
            )
        keyring = load_keys() if work.encrypted else None
        reader = BackupReader(store, work.folder, keyring, work.identity)
        if reader.manifest.about != work.about or reader.manifest.contents != work.contents:
            raise StageFailed(f"the manifest in {repository} differs from the one written")
        packs = 0
        if (media := sequential(store)) is not None:
            compare_pieces(reader, media)
        else:
            packs = open_packs(reader, run.check)
        work.manifest_digest = reader.manifest.digest
        return packs
