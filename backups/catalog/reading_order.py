"""Which of several copies of a backup is read first, and why?

Pure. First what nothing is known against; media that are read from the beginning last; then what
was proven, because a restore cannot wait for a second try; then what is nearest: a folder of this
host, a mounted folder or an SFTP server, an object store, which takes longer and may cost money.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from backups.units import format_count

# The best proof of a copy, and how it is written.
PROOFS = ("restore-tested", "verified", "unproven")


class Nearness(IntEnum):
    """How far away the bytes are; the order is that in which copies are read."""

    LOCAL = 0
    MOUNTED = 1
    SERVER = 2
    BUCKET = 3
    MEDIA = 4

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Nearness.LOCAL: "local folder",
    Nearness.MOUNTED: "mounted folder",
    Nearness.SERVER: "SFTP server",
    Nearness.BUCKET: "object store",
    Nearness.MEDIA: "sequential media",
}


@dataclass(frozen=True, slots=True)
class ReadableCopy:
    """One copy, as far as the order asks."""

    key: int
    repository: str
    nearness: Nearness
    # A value of ``PROOFS``.
    proof: str = "unproven"
    # Nothing is known against it or what it needs.
    sound: bool = True

    @property
    def rank(self) -> tuple[bool, bool, bool, Nearness, int, int]:
        return (
            not self.sound,
            self.nearness is Nearness.MEDIA,
            self.proof == "unproven",
            self.nearness,
            PROOFS.index(self.proof),
            self.key,
        )

    @property
    def words(self) -> str:
        known = self.proof if self.sound else "known to have a fault"
        return f"{self.nearness.words}, {known}"


def reading_order(copies: Iterable[ReadableCopy]) -> list[ReadableCopy]:
    """Return the copies in the order in which they are read."""
    return sorted(copies, key=lambda copy: copy.rank)


def why_read(chosen: int, copies: Iterable[ReadableCopy]) -> str:
    """Return why a copy is read, or that another one would have been chosen."""
    ordered = reading_order(copies)
    own = next(copy for copy in ordered if copy.key == chosen)
    if len(ordered) == 1:
        return f"the only copy: {own.words}"
    first, second = ordered[0], ordered[1]
    if own is first:
        return (
            f"first of {format_count(len(ordered), 'copy', 'copies')}: {own.words}; "
            f"next would be {second.repository}: {second.words}"
        )
    return f"as requested: {own.words}; {first.repository} would be read first: {first.words}"
