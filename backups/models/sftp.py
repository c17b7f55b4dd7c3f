"""With which key and known hosts is a repository on another host reached? Columns of its row."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models

from backups.exceptions import BadInput
from backups.repositories.sftp.place import SftpPlace, parse_address

SFTP_COLUMNS = ("identity_file", "known_hosts_file")


class SftpSettings(models.Model):
    """Used by repositories whose path is ``sftp://…`` only."""

    identity_file = models.CharField(
        max_length=400,
        blank=True,
        help_text="Private key without a passphrase, mode 0600, on the hosts of the workers and "
        "the site; blank is ~/.ssh/id_ed25519 of their user.",
    )
    known_hosts_file = models.CharField(
        max_length=400,
        blank=True,
        help_text="With the server's host key; blank is ~/.ssh/known_hosts of their user.",
    )

    class Meta:
        abstract = True

    def sftp_place(self, path: str) -> SftpPlace:
        """Return the place of ``path``, or raise BadInput if it cannot be one."""
        return parse_address(path)

    def check_sftp(self, path: str) -> None:
        """Raise ValidationError for settings that cannot be used."""
        try:
            self.sftp_place(path)
        except BadInput as exc:
            raise ValidationError(f"{exc}. {exc.hint}".strip()) from None
        faults = {
            name: "Enter an absolute path."
            for name in SFTP_COLUMNS
            if (value := getattr(self, name)) and not value.startswith("/")
        }
        if faults:
            raise ValidationError(faults)
