"""A key file of MariaDB that a password protects, as ``openssl enc -aes-256-cbc`` makes it."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SALT = b"saltsalt"


def seal(text: str, password: bytes, digest: str = "sha1", rounds: int = 0) -> bytes:
    """Return the file; ``rounds`` is 0 for openssl's older way to derive a key."""
    secret = hashlib.pbkdf2_hmac(digest, password, SALT, rounds, 48) if rounds else b""
    last = b""
    while len(secret) < 48:
        last = hashlib.new(digest, last + password + SALT).digest()
        secret += last
    padder = padding.PKCS7(128).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    cipher = Cipher(algorithms.AES(secret[:32]), modes.CBC(secret[32:48]))
    return b"Salted__" + SALT + cipher.encryptor().update(padded)
