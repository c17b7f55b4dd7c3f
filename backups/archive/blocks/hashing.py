"""What identifies a block? 8 bytes of a keyed BLAKE3.

The key is of the chain: random, made with its full backup, kept in the sealed manifests. Nobody
who writes rows of a database, or bytes into a repository, can make two blocks with one hash.
"""

from __future__ import annotations

import secrets

from blake3 import blake3

BLOCK_BYTES = 16 * 1024
HASH_BYTES = 8
KEY_BYTES = 32
# Of a block whose content the writer never had as a whole.
UNKNOWN = bytes(HASH_BYTES)
_NOT_UNKNOWN = b"\1" + bytes(HASH_BYTES - 1)


def new_block_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


class BlockHasher:
    """Hashes blocks of one chain. Its methods may be called from many threads."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.zero = self.hash(bytes(BLOCK_BYTES))

    def hash(self, block: bytes | bytearray | memoryview) -> bytes:
        """Return the hash of a block; a shorter one is the end of a file, and goes on as zeros."""
        if len(block) < BLOCK_BYTES:
            block = bytes(block) + bytes(BLOCK_BYTES - len(block))
        found = blake3(block, key=self._key).digest(HASH_BYTES)
        return _NOT_UNKNOWN if found == UNKNOWN else found

    def hash_all(self, content: bytes | memoryview) -> bytes:
        """Return the hashes of blocks in a row; of what is left at the end, as of a short one."""
        view = memoryview(content)
        parts = [view[at : at + BLOCK_BYTES] for at in range(0, len(view), BLOCK_BYTES)]
        if len(view) % BLOCK_BYTES:
            return b"".join(map(self.hash, parts))
        key = self._key
        found = b"".join([blake3(part, key=key).digest(HASH_BYTES) for part in parts])
        return b"".join(map(self.hash, parts)) if UNKNOWN in found else found


def block_of(offset: int) -> int:
    """Return the number of the block that a byte of a file is in."""
    return offset // BLOCK_BYTES
