"""How is a key of InnoDB stored in its files, and how is it wrapped with another master key?

Each encrypted tablespace, and each redo log file, has a key and an initial vector of its own,
64 bytes in all. They are stored in 111 bytes of the file itself, wrapped with a master key from a
keyring. A donor sends them in the clear, marked by the master key number 0.
"""

from __future__ import annotations

import json
import os
import struct
import uuid
from dataclasses import dataclass, field

import google_crc32c
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from backups.innodb.pages import PageSize, build_first_page, is_whole, page_size_of, sign_page

MASTER_KEY_BYTES = 32
# Key and initial vector.
SECRET_BYTES = 64
# In every redo log file.
REDO_OFFSET = 1072
# The magic bytes of all server versions; a donor sends only the last one.
MAGICS = (b"lCA", b"lCB", b"lCC")
UNWRAPPED = 0
_INFO = struct.Struct(">3sI36s64sI")
INFO_BYTES = _INFO.size
# Page 0 has these before it: header of page and tablespace, then one entry per extent.
_ENTRIES_OFFSET = 150
_ENTRY_HEADER_BYTES = 24


class KeyDamaged(ValueError):
    """A key does not match its checksum."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """A master key, and the server it is named after."""

    secret: bytes = field(repr=False)
    server: str
    number: int = 1

    @property
    def name(self) -> str:
        """Return the name of the key in a server's keyring."""
        return f"INNODBKey-{self.server}-{self.number}"


def new_master_key() -> MasterKey:
    """Generate a new key."""
    return MasterKey(os.urandom(MASTER_KEY_BYTES), str(uuid.uuid4()))


def build_keyring(master: MasterKey) -> bytes:
    """Return the keyring file of a server: what ``component_keyring_file`` reads."""
    element = {
        "user": "",
        "data_id": master.name,
        "data_type": "AES",
        "data": master.secret.hex().upper(),
        "extension": [],
    }
    keyring = {"version": "1.0", "elements": [element]}
    return json.dumps(keyring, separators=(",", ":")).encode()


def info_offset(size: PageSize) -> int:
    """Return the offset of the key in page 0 of a tablespace."""
    pages = size.extent_bytes // size.physical
    entry = _ENTRY_HEADER_BYTES + pages // 4
    return _ENTRIES_OFFSET + entry * (size.physical // pages)


def has_key(info: bytes | memoryview) -> bool:
    """Whether there is a key, wrapped or not."""
    return bytes(info[:3]) in MAGICS


def is_unwrapped(info: bytes | memoryview) -> bool:
    """Whether there is an unwrapped key."""
    return has_key(info) and int.from_bytes(info[3:7], "big") == UNWRAPPED


def wrap(info: bytes | memoryview, master: MasterKey) -> bytes:
    """Wrap an unwrapped key with a master key; KeyDamaged if its checksum is wrong."""
    _, number, _, secret, checksum = _INFO.unpack(info)
    if number != UNWRAPPED or google_crc32c.value(secret) != checksum:
        raise KeyDamaged("the key of a tablespace is damaged")
    return build_info(secret, master)


def build_info(secret: bytes, master: MasterKey) -> bytes:
    """Return the 111 bytes of a key, wrapped."""
    if len(secret) != SECRET_BYTES:
        raise KeyDamaged(f"the key of a tablespace has {len(secret)} bytes")
    # Keys are random and of whole blocks; the mode is the server's own choice.
    encryptor = Cipher(algorithms.AES(master.secret), modes.ECB()).encryptor()  # noqa: S305  # nosec B305
    wrapped = encryptor.update(secret) + encryptor.finalize()
    server = master.server.encode("ascii")
    checksum = google_crc32c.value(secret)
    return _INFO.pack(MAGICS[-1], master.number, server, wrapped, checksum)


def unwrap(info: bytes | memoryview, master: MasterKey) -> bytes:
    """Unwrap a key with a master key; KeyDamaged if that is the wrong one."""
    _, _, _, wrapped, checksum = _INFO.unpack(info)
    decryptor = Cipher(algorithms.AES(master.secret), modes.ECB()).decryptor()  # noqa: S305  # nosec B305
    secret = decryptor.update(wrapped) + decryptor.finalize()
    if google_crc32c.value(secret) != checksum:
        raise KeyDamaged("the key is wrapped with another master key")
    return secret


def put_info(page: bytes, info: bytes, size: PageSize) -> bytes:
    """Return page 0 with another key, its checksum right if it was before."""
    start = info_offset(size)
    was_whole = is_whole(page, compressed=size.compressed)
    changed = page[:start] + info + page[start + INFO_BYTES :]
    # A torn page must remain detectable.
    return sign_page(changed, compressed=size.compressed) if was_whole else changed


def build_encrypted_first_page(
    space_id: int, fsp_flags: int, server_version: int, info: bytes
) -> bytes:
    """Return page 0 of an encrypted tablespace in which nothing has been written yet."""
    page = build_first_page(space_id, fsp_flags, server_version)
    return put_info(page, info, page_size_of(fsp_flags))
