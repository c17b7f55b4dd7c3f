"""How is a part of a backup sealed, so that any changed bit in it is detected?

Every part has a place: its kind and its number. The nonce is made from the place, so a data key,
which is random and used for a single attempt at a backup, never sees a nonce twice, and a part
that was moved does not open. Both ciphers add 16 bytes.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import struct
from typing import ClassVar, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backups.exceptions import ArchiveError

TAG_BYTES = 16


class SealedPart(enum.IntEnum):
    """The kinds of sealed parts; their values are on disk."""

    FRAME = 1
    FOOTER = 2
    MANIFEST = 3


class Cipher(Protocol):
    """Seals parts and opens them."""

    # The value in a pack's header, and the name in a manifest.
    number: ClassVar[int]
    name: ClassVar[str]

    def seal(self, part: SealedPart, number: int, content: bytes, context: bytes) -> bytes: ...

    def open(
        self, part: SealedPart, number: int, sealed: bytes | memoryview, context: bytes
    ) -> bytes:
        """Return the content, or raise ArchiveError when a bit or the place is wrong."""
        ...


class AesGcm:
    """AES-256-GCM under the backup's data key."""

    number: ClassVar[int] = 1
    name: ClassVar[str] = "aes-256-gcm"

    def __init__(self, data_key: bytes) -> None:
        self._aead = AESGCM(data_key)

    def seal(self, part: SealedPart, number: int, content: bytes, context: bytes) -> bytes:
        return self._aead.encrypt(_nonce(part, number), content, context)

    def open(
        self, part: SealedPart, number: int, sealed: bytes | memoryview, context: bytes
    ) -> bytes:
        try:
            return self._aead.decrypt(_nonce(part, number), sealed, context)
        except InvalidTag:
            raise ArchiveError(f"{part.name.lower()} {number} does not open: damaged") from None


class Unencrypted:
    """No secrecy: a truncated SHA-256 detects damage, but not a deliberate change."""

    number: ClassVar[int] = 0
    name: ClassVar[str] = "none"

    def seal(self, part: SealedPart, number: int, content: bytes, context: bytes) -> bytes:
        return content + _digest(part, number, content, context)

    def open(
        self, part: SealedPart, number: int, sealed: bytes | memoryview, context: bytes
    ) -> bytes:
        content, tag = bytes(sealed[:-TAG_BYTES]), bytes(sealed[-TAG_BYTES:])
        if not hmac.compare_digest(tag, _digest(part, number, content, context)):
            raise ArchiveError(f"{part.name.lower()} {number} does not match its digest: damaged")
        return content


def _nonce(part: SealedPart, number: int) -> bytes:
    return struct.pack("<IQ", part, number)


def _digest(part: SealedPart, number: int, content: bytes, context: bytes) -> bytes:
    digest = hashlib.sha256(_nonce(part, number) + struct.pack("<I", len(context)) + context)
    digest.update(content)
    return digest.digest()[:TAG_BYTES]
