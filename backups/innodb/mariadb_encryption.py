"""Does a key open a page that MariaDB encrypted?

Each encrypted tablespace has a key number and an initial vector in its page 0, which stays
readable. Pages of full_crc32 are encrypted from byte 26 on, so their first block holds what page 0
has in the clear: the number of the tablespace. Without the key nobody finds it there. Pages of
other formats have nothing known at a known place, and are not judged.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from backups.innodb.formats import FLAGS_OFFSET, format_of

_MAGIC = b"s\x0e\x0cREt"
# Scheme, length of the vector, the vector, lowest version of the key, its number, and whether the
# table was created encrypted, as the server's setting has it, or never.
_INFO = struct.Struct(">BB16sIIB")
_BY_TABLE = 1
_SCHEME, _VECTOR_BYTES = 1, 16
_SPACE_ID, _LSN = slice(34, 38), slice(16, 24)
_FIRST_BLOCK = slice(26, 42)
# Of the block: the number of the tablespace is what the header has at byte 34.
_SPACE_ID_IN_BLOCK = slice(8, 12)
_NO_KEY = bytes(4)


@dataclass(frozen=True, slots=True)
class TablespaceKey:
    """Which key opens a tablespace, and with which vector; not the key itself."""

    number: int
    vector: bytes
    space_id: bytes
    page_bytes: int
    # Whether the server asks for the key even before a page is encrypted.
    required: bool


def read_tablespace_key(first_page: bytes) -> TablespaceKey | None:
    """Return what page 0 says; None where nothing is encrypted or nothing can be judged."""
    form = format_of(int.from_bytes(first_page[FLAGS_OFFSET : FLAGS_OFFSET + 4], "big"))
    start = first_page.find(_MAGIC)
    if form is None or not form.full_crc32 or start < 0:
        return None
    start += len(_MAGIC)
    if len(first_page) < start + _INFO.size:
        return None
    scheme, length, vector, _, number, mode = _INFO.unpack_from(first_page, start)
    if scheme != _SCHEME or length != _VECTOR_BYTES:
        return None
    space_id, required = first_page[_SPACE_ID], mode == _BY_TABLE
    return TablespaceKey(number, vector, space_id, form.bytes, required)


def is_encrypted(page: bytes) -> bool:
    """Whether a page of full_crc32 has the version of a key."""
    return page[:4] != _NO_KEY and len(page) >= _FIRST_BLOCK.stop


def opens(page: bytes, tablespace: TablespaceKey, key: bytes) -> bool:
    """Whether a key opens an encrypted page, by either of the algorithms that MariaDB has."""
    # The modes are the server's own choice; a block is no message.
    local = _block(key, tablespace.vector, encrypt=True)
    counter = tablespace.space_id[::-1] + page[4:8][::-1] + page[_LSN][::-1]
    sealed = page[_FIRST_BLOCK]
    by_cbc = _xor(_block(local, sealed, encrypt=False), counter)
    by_ctr = _xor(_block(local, counter, encrypt=True), sealed)
    return tablespace.space_id in (by_cbc[_SPACE_ID_IN_BLOCK], by_ctr[_SPACE_ID_IN_BLOCK])


def _block(key: bytes, block: bytes, *, encrypt: bool) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305  # nosec B305
    run = cipher.encryptor() if encrypt else cipher.decryptor()
    return run.update(block) + run.finalize()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
