"""Can the backup be read? Reads it back from each repository before it counts."""

from __future__ import annotations

from backups.archive.reader import BackupReader
from backups.exceptions import StageFailed
from backups.keys.load import load_keys
from backups.running.run import Run
from backups.stages.backup.work import NewBackup
from backups.stages.base import PlainStage
from backups.units import format_count


class ReadBack(PlainStage[NewBackup]):
    """Decode the manifest with the keys on disk, not those in memory, and open every pack."""

    name = "read-back"

    def run(self, run: Run, work: NewBackup) -> str:
        packs = 0
        for repository, store in work.stores:
            if (uuid := store.identity().uuid) != str(repository.uuid):
                raise StageFailed(
                    f"the path of {repository} holds another repository, {uuid}",
                    hint="Check which disk is mounted there.",
                )
            keyring = load_keys() if work.encrypted else None
            reader = BackupReader(store, work.folder, keyring, work.identity)
            if reader.manifest.about != work.about or reader.manifest.contents != work.contents:
                raise StageFailed(f"the manifest in {repository} differs from the one written")
            for pack in reader.manifest.contents.packs:
                run.check()
                index = reader.read_index(pack.number)
                reader.read_frame(pack.number, index.frames[-1])
                packs += 1
            work.manifest_digest = reader.manifest.digest
        return f"{format_count(packs, 'pack')} opened"
