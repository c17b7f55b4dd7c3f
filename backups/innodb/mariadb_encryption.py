"""Does a key open a page that MariaDB encrypted?

Each encrypted tablespace has a key number and an initial vector in its page 0, which stays
readable. A page is opened as far as something known is in it. In full_crc32 the first encrypted
block holds the number of the tablespace, which page 0 has in the clear. In older formats a page of
an index has the names of its first and last record at fixed places.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from backups.innodb.formats import FLAGS_OFFSET, PageFormat, format_of
from backups.innodb.verdict import FULL_CRC32_PACKED, page_type

_MAGIC = b"s\x0e\x0cREt"
# Scheme, length of the vector, the vector, lowest version of the key, its number, and whether the
# table was created encrypted, as the server's setting has it, or never.
_INFO = struct.Struct(">BB16sIIB")
_BY_TABLE = 1
_SCHEME, _VECTOR_BYTES = 1, 16
_SPACE_ID, _LSN = slice(34, 38), slice(16, 24)
_NO_KEY = bytes(4)
_BLOCK = 16
# In full_crc32: where the encrypted part begins, and the number of the tablespace in its block 0.
_START, _SPACE_ID_IN_BLOCK = 26, slice(8, 12)
# In older formats: the same, and parts of "infimum" and "supremum" in its block 4, by row format.
_OLD_START, _OLD_BLOCK = 38, 4
_KEY_VERSION = slice(26, 30)
_INDEX = 17855
_RECORDS = (((0, b"imum\0"), (10, b"suprem")), ((0, b"nfimum\0"), (14, b"su")))


@dataclass(frozen=True, slots=True)
class TablespaceKey:
    """Which key opens a tablespace, and with which vector; not the key itself."""

    number: int
    vector: bytes
    space_id: bytes
    form: PageFormat
    # Whether the server asks for the key even before a page is encrypted.
    required: bool


def read_tablespace_key(first_page: bytes) -> TablespaceKey | None:
    """Return what page 0 says, with which ``first_page`` begins; None: nothing is encrypted."""
    form = format_of(int.from_bytes(first_page[FLAGS_OFFSET : FLAGS_OFFSET + 4], "big"))
    if form is None or (position := first_page.find(_MAGIC, 0, form.bytes)) < 0:
        return None
    start = position + len(_MAGIC)
    if len(first_page) < start + _INFO.size:
        return None
    scheme, length, vector, _, number, mode = _INFO.unpack_from(first_page, start)
    if scheme != _SCHEME or length != _VECTOR_BYTES:
        return None
    space_id, required = first_page[_SPACE_ID], mode == _BY_TABLE
    return TablespaceKey(number, vector, space_id, form, required)


def can_be_opened(page: bytes, form: PageFormat) -> bool:
    """Whether a page is encrypted and has something known in it: a compressed one has not."""
    if len(page) != form.bytes or form.size.compressed:
        return False
    if form.full_crc32:
        return page[:4] != _NO_KEY and not page_type(page) & FULL_CRC32_PACKED
    return page[_KEY_VERSION] != _NO_KEY and page_type(page) == _INDEX


def opens(page: bytes, tablespace: TablespaceKey, key: bytes) -> bool:
    """Whether a key opens such a page, by either of the algorithms that MariaDB has."""
    # The modes are the server's own choice; a block is no message.
    local = _block(key, tablespace.vector, encrypt=True)
    counter = tablespace.space_id[::-1] + page[4:8][::-1] + page[_LSN][::-1]
    if tablespace.form.full_crc32:
        opened = _open_block(page, _START, 0, local, counter)
        return any(block[_SPACE_ID_IN_BLOCK] == tablespace.space_id for block in opened)
    opened = _open_block(page, _OLD_START, _OLD_BLOCK, local, counter)
    return any(
        all(block[start : start + len(part)] == part for start, part in parts)
        for block in opened
        for parts in _RECORDS
    )


def _open_block(
    page: bytes, start: int, number: int, local: bytes, counter: bytes
) -> tuple[bytes, bytes]:
    """Return a block of the encrypted part as each of the algorithms opens it."""
    at = start + number * _BLOCK
    sealed = page[at : at + _BLOCK]
    before = page[at - _BLOCK : at] if number else counter
    counted = (int.from_bytes(counter, "big") + number) % (1 << 128)
    stream = _block(local, counted.to_bytes(_BLOCK, "big"), encrypt=True)
    return _xor(_block(local, sealed, encrypt=False), before), _xor(stream, sealed)


def _block(key: bytes, block: bytes, *, encrypt: bool) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305  # nosec B305
    run = cipher.encryptor() if encrypt else cipher.decryptor()
    return run.update(block) + run.finalize()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
