"""Can the backup be read from the file? Opens it as a stranger would, then gives it its name."""

from __future__ import annotations

from contextlib import suppress

from django.db import Error

from backups.access import identity_of
from backups.archive.reader import BackupReader
from backups.exceptions import StageFailed
from backups.keys.load import load_keys
from backups.repositories.exported.store import ExportedStore
from backups.repositories.exported.writer import publish, unfinished_path
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.export.work import ExportWork
from backups.units import format_count


class ReadFile(PlainStage[ExportWork]):
    """Decode every manifest, and open the index and a frame of every pack."""

    name = "read file"

    def run(self, run: Run, work: ExportWork) -> str:
        store = ExportedStore(unfinished_path(work.target, run.job.pk))
        if store.identity() != work.identity:
            raise StageFailed(
                f"{work.target} is another file than the one just written",
                hint="Find out who replaced it, then export again.",
            )
        packs = 0
        for source in work.opened():
            expected = identity_of(work.copy) if source is work.opened()[-1] else None
            keyring = load_keys() if source.manifest.envelope.encrypted else None
            reader = BackupReader(store, source.folder, keyring, expected)
            if reader.manifest.digest != source.manifest.digest:
                raise StageFailed(f"the manifest of {source.folder} in {work.target} is another")
            for pack in reader.manifest.contents.packs:
                run.check()
                index = reader.read_index(pack.number)
                reader.read_frame(pack.number, index.frames[-1])
                packs += 1
        run.check()
        publish(work.target, run.job.pk)
        # Even if this write fails: nothing is left under the name that a tick would remove.
        with suppress(Error):
            run.forget_leftovers()
        return f"{format_count(packs, 'pack')} opened"
