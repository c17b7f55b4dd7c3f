"""Which key opens a backup?

A key-encryption key (KEK) is 32 random bytes in a key file or in the environment. It wraps
the data keys of backups and encrypts nothing else, so that keys are rotated by rewrapping.
A keyring lists the newest key first: it wraps; every key listed can still unwrap.

Key file: UTF-8 text, one key a line, ``mooring-key-1 <base64 of 32 bytes>``; ``#`` begins a
comment. The format is specified in docs/format.md.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backups.exceptions import ArchiveError, KeyUnavailable

LINE_PREFIX = "mooring-key-1"
KEY_BYTES = 32
NONCE_BYTES = 12
WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + 16


@dataclass(frozen=True, slots=True)
class KeyEncryptionKey:
    """A key that wraps data keys. Its id is derived from its bytes."""

    material: bytes = field(repr=False)

    @property
    def id(self) -> str:
        return hashlib.sha256(b"mooring key id\0" + self.material).hexdigest()[:16]

    def wrap(self, data_key: bytes, backup: UUID) -> bytes:
        """Seal a data key for one backup; it does not open for any other."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self.material).encrypt(nonce, data_key, self._context(backup))

    def unwrap(self, wrapped: bytes, backup: UUID) -> bytes:
        """Open a wrapped data key; ArchiveError when it is damaged or another backup's."""
        if len(wrapped) != WRAPPED_BYTES:
            raise ArchiveError(f"wrapped data key is {len(wrapped)} bytes, not {WRAPPED_BYTES}")
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return AESGCM(self.material).decrypt(nonce, sealed, self._context(backup))
        except InvalidTag:
            raise ArchiveError(
                f"wrapped data key does not open with key {self.id}: "
                "the manifest is damaged or belongs to another backup"
            ) from None

    def _context(self, backup: UUID) -> bytes:
        return b"mooring data key\0" + backup.bytes + self.id.encode()


@dataclass(frozen=True, slots=True)
class Keyring:
    """The available keys, the one that wraps new backups first."""

    keys: Sequence[KeyEncryptionKey]

    @property
    def current(self) -> KeyEncryptionKey:
        return self.keys[0]

    def find(self, key_id: str) -> KeyEncryptionKey:
        """Return the key of that id, or raise KeyUnavailable with the available ids."""
        for key in self.keys:
            if key.id == key_id:
                return key
        available = ", ".join(key.id for key in self.keys)
        raise KeyUnavailable(
            f"key {key_id} is not in the keyring, which has {available}",
            hint="Add the line of that key to the key file below its first line.",
        )


def load_keyring(*, text: str = "", path: Path | None = None) -> Keyring:
    """Read keys from ``text`` if given, else from the file, or raise KeyUnavailable."""
    if text.strip():
        return parse_keyring(text.replace(",", "\n"), source="MOORING_BACKUP_KEY")
    if path is None:
        raise KeyUnavailable("no key file and no key in the environment")
    try:
        mode = path.stat().st_mode
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        # Without the error's own message, which quotes the bytes.
        raise KeyUnavailable(f"key file {path} is not text") from None
    except OSError as exc:
        raise KeyUnavailable(
            f"key file {path} cannot be read: {exc.strerror}",
            hint="Create one with createbackupkey, or put the saved key file back.",
        ) from None
    if stat.S_IMODE(mode) & 0o077:
        raise KeyUnavailable(
            f"key file {path} has mode {stat.S_IMODE(mode):04o}: others can read it",
            hint=f"Run chmod 600 {path}, and rotate the key if anyone may have seen it.",
        )
    return parse_keyring(content, source=str(path))


def parse_keyring(text: str, *, source: str) -> Keyring:
    """Parse the lines of a key file. Errors name the line, never its content."""
    keys = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not (words := line.partition("#")[0].split()):
            continue
        if len(words) == 2 and words[0] == LINE_PREFIX:
            words = words[1:]
        elif len(words) != 1 or source != "MOORING_BACKUP_KEY":
            raise KeyUnavailable(f"{source} line {number} is not '{LINE_PREFIX} <base64>'")
        try:
            material = base64.b64decode(words[0], validate=True)
        except ValueError:
            material = b""
        if len(material) != KEY_BYTES:
            raise KeyUnavailable(f"{source} line {number} is not base64 of {KEY_BYTES} bytes")
        keys.append(KeyEncryptionKey(material))
    if not keys:
        raise KeyUnavailable(f"{source} holds no key")
    return Keyring(tuple(keys))


def create_key_file(path: Path) -> Keyring:
    """Write a new key file, mode 0600; FileExistsError if there is one, which is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_new(path, _line(os.urandom(KEY_BYTES)))
    return load_keyring(path=path)


def add_key(path: Path) -> Keyring:
    """Put a new key in front of those in the file, which old backups still need."""
    load_keyring(path=path)
    content = _line(os.urandom(KEY_BYTES)) + path.read_text(encoding="utf-8")
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    _write_new(beside, content)
    beside.replace(path)
    _sync_folder(path.parent)
    return load_keyring(path=path)


def _line(material: bytes) -> str:
    return f"{LINE_PREFIX} {base64.b64encode(material).decode()}\n"


def _write_new(path: Path, content: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
