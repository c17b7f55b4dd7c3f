"""By which key is a report signed?

The private key is encrypted at rest, and in this database: whoever has both it and the secret key
can sign anything. See docs/evidence.md for what a signature proves.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import transaction

from backups.activity import record
from backups.models import SigningKey
from backups.models.activity import Verb
from backups.secrets import decrypt, encrypt

KEY_ID_LENGTH = 32


def current_key() -> SigningKey:
    """Return the key that signs; the first call makes one."""
    return SigningKey.objects.first() or create_key()


@transaction.atomic
def create_key() -> SigningKey:
    """Make a new key, which signs from now on."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    key = SigningKey.objects.create(
        key_id=hashlib.sha256(public).hexdigest()[:KEY_ID_LENGTH],
        public_key=public.hex(),
        private_key_token=encrypt(private.private_bytes_raw().hex()),
    )
    record(Verb.ADDED, details={"signing_key": key.key_id})
    return key


def sign(key: SigningKey, message: bytes) -> bytes:
    """Sign a message; KeyUnavailable if the private key cannot be decrypted."""
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(decrypt(key.private_key_token)))
    return private.sign(message)


def public_pem(key: SigningKey) -> bytes:
    """Return the public key as PEM."""
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public_key))
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
