"""How does a small file carry an envelope that anybody can read, and a digest of all of it?

A sequence of zstd frames, so that standard tools accept it:

    skippable frame 0x184D2A50   envelope, plain JSON
    body                         a zstd frame, or skippable frame 0x184D2A51 with a sealed one in it
    skippable frame 0x184D2A52   SHA-256 of everything before it
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any

from backups.exceptions import ArchiveError

ENVELOPE_MAGIC = 0x184D2A50
SEALED_MAGIC = 0x184D2A51
DIGEST_MAGIC = 0x184D2A52
SKIPPABLE = struct.Struct("<II")


# Any: JSON.
def wrap(envelope: Mapping[str, Any], body: bytes | memoryview) -> bytes:
    """Return the file of an envelope and a body."""
    front = skippable(ENVELOPE_MAGIC, json.dumps(envelope, sort_keys=True).encode()) + body
    return front + skippable(DIGEST_MAGIC, hashlib.sha256(front).digest())


def split(blob: bytes) -> tuple[memoryview, memoryview]:
    """Check the digest at the end and return envelope and body, uncopied: they may be large."""
    tail = SKIPPABLE.size + hashlib.sha256().digest_size
    front, end = memoryview(blob)[:-tail], memoryview(blob)[-tail:]
    digest, _ = take(end, DIGEST_MAGIC)
    if digest != hashlib.sha256(front).digest():
        raise ArchiveError("manifest is damaged: it does not match its digest")
    return take(front, ENVELOPE_MAGIC)


def skippable(magic: int, content: bytes) -> bytes:
    """Return a frame that zstd's own tools skip."""
    return SKIPPABLE.pack(magic, len(content)) + content


def take(blob: memoryview, magic: int) -> tuple[memoryview, memoryview]:
    """Return the content of the skippable frame ``blob`` begins with, and what follows it."""
    if len(blob) < SKIPPABLE.size:
        raise ArchiveError("manifest is cut off")
    found, length = SKIPPABLE.unpack_from(blob)
    end = SKIPPABLE.size + length
    if found != magic or end > len(blob):
        raise ArchiveError("manifest is damaged, or not a manifest")
    return blob[SKIPPABLE.size : end], blob[end:]
