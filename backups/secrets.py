"""How are passwords and secret keys kept at rest?

Fernet tokens under a list of keys: the first encrypts, every one can still decrypt, so a
key is rotated by putting a new one in front and running ``rotatekeys``.
"""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from backups.exceptions import KeyUnavailable


def _fernet() -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in settings.INSTANCE_SECRET_KEYS])
    except ValueError as exc:
        # The library's exception contains nothing of the key; ours names the setting.
        raise ImproperlyConfigured(
            "MOORING_SECRET_KEY is not a list of url-safe base64 keys of 32 bytes"
        ) from exc


def encrypt(text: str) -> str:
    """Return a token that only a holder of the key can decrypt."""
    return _fernet().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """Decrypt a token, or raise KeyUnavailable if no configured key fits."""
    try:
        return _fernet().decrypt(token.encode()).decode()
    except InvalidToken:
        raise KeyUnavailable(
            "a stored password or secret key cannot be decrypted",
            hint="Add the key it was encrypted with to MOORING_SECRET_KEY, or set it again.",
        ) from None


def rotate(token: str) -> str:
    """Return the same secret under the newest key."""
    try:
        return _fernet().rotate(token.encode()).decode()
    except InvalidToken:
        raise KeyUnavailable("a stored password or secret key cannot be decrypted") from None
