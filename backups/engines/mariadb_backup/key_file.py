"""Which keys are in a file that MariaDB's file_key_management reads?

A line for each key: its number, a semicolon, and the key in hexadecimal. The whole file may be
encrypted with a password, as ``openssl enc -aes-256-cbc`` does it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from backups.engines.base import HostKeys

# The server refuses larger ones.
MOST_BYTES = 1 << 20
_SALTED = b"Salted__"
_SALT_BYTES, _KEY_BYTES, _VECTOR_BYTES = 8, 32, 16
# Of 128, 192 or 256 bits.
_KEY = re.compile(r"(\d+)\s*;\s*([0-9a-fA-F]{32}|[0-9a-fA-F]{48}|[0-9a-fA-F]{64})")


class KeyFileUnreadable(ValueError):
    """The keys in the file cannot be read; the text says why, without any of its content."""


def read_keys(named: HostKeys, settings: Mapping[str, str]) -> dict[int, bytes]:
    """Return the keys by number; ``settings`` are those of the plugin, as the copy has them."""
    try:
        content = _read(named.key_file)
        if content.startswith(_SALTED):
            password = _read(named.key_file_password).rstrip(b"\r\n")
            content = _decrypt(content[len(_SALTED) :], password, settings)
        return _parse(content.decode("ascii"))
    except OSError as exc:
        raise KeyFileUnreadable(f"{exc.filename} cannot be read: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise KeyFileUnreadable("it holds no keys, or its password is wrong") from None


def _read(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(MOST_BYTES)


def _parse(text: str) -> dict[int, bytes]:
    keys = {}
    for line in text.splitlines():
        if (match := _KEY.fullmatch(line.partition("#")[0].strip())) is not None:
            keys[int(match[1])] = bytes.fromhex(match[2])
    return keys


def _decrypt(sealed: bytes, password: bytes, settings: Mapping[str, str]) -> bytes:
    salt, body = sealed[:_SALT_BYTES], sealed[_SALT_BYTES:]
    digest = settings.get("file_key_management_digest", "sha1")
    rounds = int(settings.get("file_key_management_use_pbkdf2", "0"))
    secret = _derive(password, salt, digest, rounds)
    key, vector = secret[:_KEY_BYTES], secret[_KEY_BYTES:]
    try:
        run = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
        padded = run.update(body) + run.finalize()
        unpadder = padding.PKCS7(128).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise KeyFileUnreadable("its password is wrong") from None


def _derive(password: bytes, salt: bytes, digest: str, rounds: int) -> bytes:
    """Return key and vector as openssl does; ``rounds`` is 0 for its older way."""
    needed = _KEY_BYTES + _VECTOR_BYTES
    if rounds:
        return hashlib.pbkdf2_hmac(digest, password, salt, rounds, needed)
    secret = last = b""
    while len(secret) < needed:
        last = hashlib.new(digest, last + password + salt).digest()
        secret += last
    return secret[:needed]
