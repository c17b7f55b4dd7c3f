"""What does ``mooring.json`` at the top of a repository say? Of every kind of store alike."""

from __future__ import annotations

import json

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION, IDENTITY_NAME, NEWER_HINT

# An identity is a line of JSON; a longer one is none of ours.
IDENTITY_BYTES = 4096


def identity_line(identity: Identity) -> bytes:
    fields = {"repository": identity.uuid, "format": identity.format_version}
    return json.dumps(fields).encode() + b"\n"


def parse_identity(content: bytes, place: str) -> Identity:
    """Return the identity of the repository at ``place``; RepositoryError if it is none."""
    try:
        fields = json.loads(content)
        identity = Identity(str(fields["repository"]), int(fields["format"]))
    except (ValueError, KeyError, TypeError) as exc:
        raise RepositoryError(f"{place}/{IDENTITY_NAME} cannot be read: {exc}") from None
    if identity.format_version != FORMAT_VERSION:
        raise RepositoryError(
            f"{place} has repository format {identity.format_version}, "
            f"this version reads format {FORMAT_VERSION}",
            hint=NEWER_HINT,
        )
    return identity


def no_repository(place: str, hint: str) -> RepositoryError:
    return RepositoryError(
        f"{place} is not a repository: it has no {IDENTITY_NAME}",
        hint=f"{hint}, or create a new one with addrepository.",
    )
