"""Is a stored manifest the one that was registered?

A seal proves that the holder of a key wrote the bytes. It does not prove that they are of the
backup a person chose: a folder can be exchanged for another backup's, and whoever can write the
repository can put an unencrypted manifest in the place of a sealed one. So whatever is known from
elsewhere, a row of the catalog or the path of the folder, is held against what was read.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from backups.archive.manifest import Envelope, Manifest
from backups.exceptions import CopyChanged

HINT = (
    "Use a copy in another repository. If the repository's disk was changed or exchanged, put the "
    "right one back; if nobody did that, treat the repository as tampered with."
)


@dataclass(frozen=True, slots=True)
class CopyIdentity:
    """What a manifest must be of. None and blank: not known, so not compared."""

    label: str
    instance: UUID
    backup: UUID | None = None
    encrypted: bool | None = None
    # Of ``Manifest.digest``.
    digest: str = ""

    def check_envelope(self, envelope: Envelope) -> None:
        """Raise CopyChanged unless the unsealed part fits; no key is needed."""
        if envelope.label != self.label or self.backup not in {None, envelope.backup}:
            raise CopyChanged(
                f"the manifest is of backup {envelope.label} ({envelope.backup}), "
                f"expected {self.label} ({self.backup or 'any uuid'})",
                hint=HINT,
            )
        if self.encrypted is not None and self.encrypted != envelope.encrypted:
            here, there = ("encrypted", "is not") if self.encrypted else ("not encrypted", "is")
            raise CopyChanged(
                f"backup {self.label} is {here}, but the manifest in its place {there}", hint=HINT
            )

    def check(self, manifest: Manifest) -> None:
        """Raise CopyChanged unless the whole manifest is the expected one."""
        self.check_envelope(manifest.envelope)
        instance = _instance_of(manifest)
        if instance != str(self.instance):
            raise CopyChanged(
                f"backup {self.label} is of instance {instance}, expected {self.instance}",
                hint=HINT,
            )
        self._check_digest(manifest.digest)

    def check_unopened(self, envelope: Envelope, digest: str) -> None:
        """Raise CopyChanged unless what can be read without a key is the expected."""
        self.check_envelope(envelope)
        self._check_digest(digest)

    def _check_digest(self, digest: str) -> None:
        if self.digest and self.digest != digest:
            raise CopyChanged(
                f"the manifest of {self.label} has changed since it was registered: its digest is "
                f"{digest[:16]}…, the catalog has {self.digest[:16]}…",
                hint=HINT,
            )


def _instance_of(manifest: Manifest) -> str:
    described = manifest.about.get("instance")
    return str(described.get("uuid")) if isinstance(described, dict) else "unknown"
