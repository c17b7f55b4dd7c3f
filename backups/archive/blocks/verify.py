"""Are all stored bytes of a chain what was written, and is every block what its table says?

Every pack of every backup of the chain is read once. Blocks that the last backup takes from a frame
are held against its table as they come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from backups.archive.blocks.assemble import Assembly
from backups.archive.frames import Frame
from backups.archive.meter import Meter
from backups.archive.reader import BackupReader
from backups.archive.verify import VerifyReport, verify


def verify_chain(
    chain: Sequence[BackupReader],
    *,
    threads: int,
    check: Callable[[], None],
    meter: Meter,
    inspect: Callable[[Frame], None] = lambda frame: None,
) -> VerifyReport:
    """Read a backup and all it needs, the full one first. Damage is reported, not raised.

    ``inspect`` gets the frames of the backup itself. ArchiveError if the backups do not fit.
    """
    contents = [reader.manifest.contents for reader in chain]
    meter.raw_bytes_total = sum(each.raw_bytes for each in contents)
    meter.files_total = sum(len(each.files) for each in contents)
    assembly = Assembly(chain, contents[-1].files) if len(chain) > 1 else None
    whole = VerifyReport()
    for depth, reader in enumerate(chain):
        own = depth == len(chain) - 1
        look = partial(_look, assembly, depth, reader, inspect if own else None)
        found = verify(reader, threads=threads, check=check, meter=meter, inspect=look)
        whole.packs += found.packs
        whole.frames += found.frames
        whole.files += found.files
        whole.damages += found.damages
    return whole


def _look(
    assembly: Assembly | None,
    depth: int,
    reader: BackupReader,
    inspect: Callable[[Frame], None] | None,
    frame: Frame,
) -> None:
    if inspect is not None:
        frame = reader.resolve(frame)
        inspect(frame)
    if assembly is not None:
        for _ in assembly.take(depth, frame):
            # Taking a piece checks its blocks.
            pass
