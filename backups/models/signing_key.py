"""The key by which Mooring signs reports of evidence."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now


class SigningKey(models.Model):
    """An Ed25519 key pair. The newest one signs; what an older one signed stays signed."""

    # The beginning of the SHA-256 of the public key, in hexadecimal.
    key_id = models.CharField(max_length=32, unique=True)
    # The 32 bytes, in hexadecimal.
    public_key = models.CharField(max_length=64)
    # Encrypted like every other secret; see ``backups.secrets``.
    private_key_token = models.TextField()
    created_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"signing key {self.key_id}"
