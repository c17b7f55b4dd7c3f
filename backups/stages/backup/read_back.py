"""Can the backup be read? Reads it back from each repository before it counts."""

from __future__ import annotations

from backups.archive.reader import BackupReader
from backups.exceptions import StageFailed
from backups.keys.load import load_keys
from backups.repositories.sequential.store import SequentialStore, sequential
from backups.running.run import Run
from backups.stages.backup.work import NewBackup
from backups.stages.base import PlainStage
from backups.units import format_count


class ReadBack(PlainStage[NewBackup]):
    """Decode the manifest with the keys on disk, not those in memory, and open every pack."""

    name = "read-back"

    def run(self, run: Run, work: NewBackup) -> str:
        packs, unread = 0, list[str]()
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
            work.manifest_digest = reader.manifest.digest
            if (media := sequential(store)) is not None:
                compare_pieces(reader, media)
                unread.append(repository.name)
                continue
            for pack in reader.manifest.contents.packs:
                run.check()
                index = reader.read_index(pack.number)
                reader.read_frame(pack.number, index.frames[-1])
                packs += 1
        done = [f"{format_count(packs, 'pack')} opened"] if packs else []
        if unread:
            # To open one would be to read it as a whole: that is what a verify does.
            done.append(f"in {', '.join(unread)} only the manifest was read: run a verify")
        return "; ".join(done)


def compare_pieces(reader: BackupReader, media: SequentialStore) -> None:
    """Raise StageFailed unless the medium has confirmed just the packs of the manifest."""
    reader.check_sizes()
    for pack in reader.manifest.contents.packs:
        name = reader.pack_object(pack.number)
        if media.sha256(name) != pack.sha256:
            raise StageFailed(f"{name} was stored with other bytes than the manifest says")
