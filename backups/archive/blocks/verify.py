"""Are all stored bytes of a chain what was written, and is every block what its table says?

Every pack of every backup of the chain is read once. Blocks that the last backup takes from a frame
are held against its table as they come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

from backups.archive.blocks.assemble import Assembly
from backups.archive.frames import Frame
from backups.archive.link_reads import UNWATCHED, ChainWatch, LinkRead
from backups.archive.meter import Meter
from backups.archive.reader import BackupReader
from backups.archive.verify import MAX_DAMAGES, Damage, VerifyReport, verify
from backups.exceptions import ArchiveError, RepositoryError


@dataclass(slots=True)
class ChainReport(VerifyReport):
    """What a verify of a chain has read in all, and of each backup by itself."""

    # Of the stored bytes of each: what does not fit between two of them is only in the whole.
    links: list[VerifyReport] = field(default_factory=list)


def verify_chain(
    chain: Sequence[BackupReader],
    *,
    threads: int,
    check: Callable[[], None],
    meter: Meter,
    inspect: Callable[[Frame], None] = lambda frame: None,
    watch: ChainWatch = UNWATCHED,
    refuse: Callable[[RepositoryError], None] = lambda error: None,
) -> ChainReport:
    """Read a backup and all it needs, the full one first. Damage is reported, not raised.

    ``inspect`` gets the frames of the backup itself; ``refuse`` is as for one backup.
    ArchiveError if the backups do not fit.
    """
    contents = [reader.manifest.contents for reader in chain]
    meter.raw_bytes_total = sum(each.raw_bytes for each in contents)
    meter.files_total = sum(len(each.files) for each in contents)
    blocks = _BlockCheck(Assembly(chain, contents[-1].files)) if len(chain) > 1 else None
    whole = ChainReport()
    for depth, reader in enumerate(chain):
        own = depth == len(chain) - 1
        look = partial(_look, blocks, depth, reader, inspect if own else None)
        read = LinkRead.of(reader.manifest.contents)
        watch.link_began(depth)
        found = verify(
            reader, threads=threads, check=check, meter=meter, inspect=look, refuse=refuse
        )
        read.read_bytes, read.read_frames = read.stored_bytes, found.frames
        watch.link_ended(depth, read)
        whole.links.append(found)
        whole.packs += found.packs
        whole.frames += found.frames
        whole.files += found.files
        whole.damages += found.damages
    whole.damages += blocks.damages if blocks is not None else ()
    return whole


class _BlockCheck:
    """Holds blocks against the table of the backup that takes them. Used by many threads."""

    def __init__(self, assembly: Assembly) -> None:
        self.damages: list[Damage] = []
        self._assembly, self._lock = assembly, Lock()

    def look(self, depth: int, frame: Frame) -> None:
        try:
            for _ in self._assembly.take(depth, frame):
                # Taking a piece checks its blocks.
                pass
        except ArchiveError as exc:
            label = self._assembly.chain[depth].manifest.envelope.label
            with self._lock:
                if len(self.damages) < MAX_DAMAGES:
                    self.damages.append(
                        Damage(f"frame {frame.number} of {label}", None, (), str(exc))
                    )


def _look(
    blocks: _BlockCheck | None,
    depth: int,
    reader: BackupReader,
    inspect: Callable[[Frame], None] | None,
    frame: Frame,
) -> None:
    if inspect is not None:
        frame = reader.resolve(frame)
        inspect(frame)
    if blocks is not None:
        blocks.look(depth, frame)
