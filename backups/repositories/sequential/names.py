"""Which name has the piece of an object on the medium, and which object is a piece of?

``PREFIX.<object>.<generation>``: letters, digits, ``.``, ``_`` and ``-`` of the object stay, any
other byte becomes ``+`` and two hexadecimal digits, so that a name is one word for every program
and media manager. A piece is never changed: an object that is replaced has the next generation.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from backups.exceptions import RepositoryError
from backups.repositories.layout import is_safe_path

# One component of a path of any file system; the names of SBT may have 511 bytes.
LONGEST_PIECE = 255
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_PIECE = re.compile(
    r"(?P<prefix>[A-Za-z][A-Za-z0-9_-]{0,39})\.(?P<object>(?:[A-Za-z0-9._-]|\+[0-9a-f]{2})+)"
    r"\.(?P<generation>[1-9][0-9]{0,8})"
)


class ParsedPiece(NamedTuple):
    """What the name of a piece says."""

    object: str
    generation: int


def is_prefix(text: str) -> bool:
    """Whether pieces may begin with ``text``."""
    return _PREFIX.fullmatch(text) is not None


def piece_name(prefix: str, name: str, generation: int) -> str:
    """Return the name of the piece of an object; RepositoryError if it cannot have one."""
    if not is_safe_path(name):
        raise RepositoryError(f"object name {name!r} leads out of the repository")
    spelled = "".join(
        chr(byte) if byte in _PLAIN else f"+{byte:02x}" for byte in name.encode("utf-8")
    )
    piece = f"{prefix}.{spelled}.{generation}"
    if len(piece) > LONGEST_PIECE:
        raise RepositoryError(
            f"{name} has a piece of {len(piece)} characters, at most {LONGEST_PIECE} are allowed",
            hint="Give the repository a shorter prefix, or the instance a shorter name.",
        )
    return piece


def parse_piece(prefix: str, piece: str) -> ParsedPiece | None:
    """Return the object of a piece of the repository with ``prefix``; None if it is no such."""
    found = _PIECE.fullmatch(piece)
    if found is None or found["prefix"] != prefix or len(piece) > LONGEST_PIECE:
        return None
    spelled = re.sub(
        rb"\+([0-9a-f]{2})", lambda match: bytes.fromhex(match[1].decode()),
        found["object"].encode(),
    )  # fmt: skip
    try:
        name = spelled.decode("utf-8")
    except UnicodeDecodeError:
        return None
    generation = int(found["generation"])
    if not is_safe_path(name) or piece_name(prefix, name, generation) != piece:
        return None
    return ParsedPiece(name, generation)
