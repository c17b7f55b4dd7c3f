"""How do objects follow each other in an exported file? As members of a tar archive.

The form is POSIX.1-1988 ``ustar``: regular files only, no extended headers, so that nothing in a
header can request memory. ``tar`` itself reads it. See section 10 of docs/format.md.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass

from backups.exceptions import RepositoryError
from backups.repositories.layout import is_safe_path

BLOCK = tarfile.BLOCKSIZE
# An archive ends with two blocks of zeros.
END = bytes(2 * BLOCK)
MODE = 0o640
# More than any backup has: packs are of 256 MiB.
MOST_MEMBERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Member:
    """Where the bytes of an object are in the file."""

    offset: int
    size: int


def member_header(name: str, size: int) -> bytes:
    """Return the header of a member, or raise RepositoryError if the form cannot spell it."""
    described = tarfile.TarInfo(name)
    described.size, described.mode = size, MODE
    try:
        return described.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")
    except ValueError as exc:
        raise RepositoryError(f"{name} cannot be in an exported file: {exc}") from None


def padding(size: int) -> bytes:
    """Return the zeros between a member of ``size`` bytes and the next header."""
    return bytes(-size % BLOCK)


def find_members(file: str, read: Callable[[int, int], bytes], size: int) -> dict[str, Member]:
    """Return all members of a file of ``size`` bytes, or raise RepositoryError.

    ``read`` returns a range of it by offset and length.
    """
    found: dict[str, Member] = {}
    offset = 0
    while (block := read(offset, BLOCK)) != END[:BLOCK]:
        if len(block) < BLOCK:
            raise RepositoryError(
                f"{file} ends early, at byte {offset + len(block)}",
                hint="It was not written or not copied to its end: export or copy it again.",
            )
        name, length = _parse(file, offset, block)
        offset += BLOCK
        if offset + length > size or name in found or len(found) >= MOST_MEMBERS:
            raise RepositoryError(f"{file} is damaged at byte {offset - BLOCK}: {name[:200]!r}")
        found[name] = Member(offset, length)
        offset += length + len(padding(length))
    return found


def _parse(file: str, offset: int, block: bytes) -> tuple[str, int]:
    """Return the name and the size that a header says."""
    try:
        described = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeError) as exc:
        raise RepositoryError(
            f"{file} is no exported backup, or damaged at byte {offset}: {exc}"
        ) from None
    regular = described.type == tarfile.REGTYPE and described.size >= 0
    if not regular or not is_safe_path(described.name):
        raise RepositoryError(
            f"{file} has something at byte {offset} that no export writes: "
            f"{os.fsdecode(described.name)[:200]!r}",
            hint="It was not made by exportbackup.",
        )
    return described.name, described.size
