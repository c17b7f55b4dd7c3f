"""What defines a backup? Its manifest, which is written last: no manifest, no backup.

Its envelope (``backups.archive.enveloped``) is plain JSON: format, backup, label, cipher, wrapped
key. Its body is a zstd frame of JSON, sealed if the backup is encrypted.

Rotating keys writes a new envelope around the same body.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from backups.archive.about import check_about
from backups.archive.cipher import AesGcm, Cipher, SealedPart, Unencrypted
from backups.archive.compression import claimed_bytes, compress, decompress
from backups.archive.contents import Contents
from backups.archive.enveloped import SEALED_MAGIC, skippable, split, take, wrap
from backups.archive.keys import KeyEncryptionKey, Keyring
from backups.exceptions import ArchiveError, KeyUnavailable
from backups.repositories.layout import NEWER_HINT

# A backup that needs others has the second: whoever knows only the first would miss them.
FORMAT = 1
FORMAT_OF_LINKS = 2
FORMATS = (FORMAT, FORMAT_OF_LINKS)
MAX_BODY_BYTES = 2 * 1024**3
# Of the envelope: some names and one wrapped key.
MAX_ENVELOPE_BYTES = 64 * 1024
# Of the file: the names of some ten million tables.
MAX_MANIFEST_BYTES = 128 * 1024**2
# What a body may always be, and how much more of it a stored byte of the packs accounts for: a
# file of a backup is never listed in more bytes than these.
UNASKED_BODY_BYTES = 4 * 1024**2
BODY_BYTES_PER_STORED = 4
# Where the bytes of the files are in other backups, these are for listing them.
UNASKED_BODY_BYTES_OF_LINKS = 128 * 1024**2
# Names of tables that differ by a number compress to a thirtieth, hardly more.
MOST_COMPRESSION = 64


@dataclass(frozen=True, slots=True)
class Envelope:
    """The part of a manifest that is readable without a key."""

    backup: UUID
    label: str
    cipher: str
    key_id: str = ""
    wrapped_key: bytes = b""
    format: int = FORMAT

    @property
    def encrypted(self) -> bool:
        return self.cipher != Unencrypted.name


@dataclass(frozen=True, slots=True)
class Manifest:
    """A decoded manifest."""

    envelope: Envelope
    # Identity and facts, as JSON; docs/format.md lists the fields.
    about: Mapping[str, Any]
    contents: Contents
    # SHA-256, as hex, of backup, label, cipher and body. Rotating keys does not change it.
    digest: str


def seal_manifest(
    envelope: Envelope, about: Mapping[str, Any], contents: Contents, cipher: Cipher
) -> bytes:
    """Return the bytes of a manifest."""
    if contents.needs_others:
        envelope = replace(envelope, format=FORMAT_OF_LINKS)
    text = json.dumps({"about": about, "contents": contents.as_json()}, separators=(",", ":"))
    body = compress(text.encode(), 3)
    if envelope.encrypted:
        body = skippable(
            SEALED_MAGIC, cipher.seal(SealedPart.MANIFEST, 0, body, envelope.backup.bytes)
        )
    return _wrap(envelope, body)


def read_envelope(blob: bytes) -> Envelope:
    """Check the checksum and return what can be read without a key."""
    return _parse_envelope(split(blob)[0])


def manifest_digest(blob: bytes) -> str:
    """Return what identifies the manifest's content, as hex; it needs no key."""
    envelope, body = split(blob)
    return _digest_of(_parse_envelope(envelope), body)


def _digest_of(envelope: Envelope, body: memoryview) -> str:
    named = f"mooring manifest\0{envelope.backup}\0{envelope.label}\0{envelope.cipher}\0"
    digest = hashlib.sha256(named.encode())
    digest.update(body)
    return digest.hexdigest()


def rewrap(blob: bytes, keyring: Keyring) -> bytes | None:
    """Return the manifest under the keyring's current key; None if it already is.

    The data key and the body stay as they are, so no pack is touched.
    """
    envelope_bytes, body = split(blob)
    envelope = _parse_envelope(envelope_bytes)
    if not envelope.encrypted or envelope.key_id == keyring.current.id:
        return None
    data_key = keyring.find(envelope.key_id).unwrap(envelope.wrapped_key, envelope.backup)
    wrapped = new_envelope(envelope.backup, envelope.label, data_key, keyring.current)
    return _wrap(replace(wrapped, format=envelope.format), body)


def new_envelope(
    backup: UUID, label: str, data_key: bytes, key: KeyEncryptionKey | None
) -> Envelope:
    """Return the envelope of a backup; without a key, of an unencrypted one."""
    if key is None:
        return Envelope(backup, label, Unencrypted.name)
    return Envelope(backup, label, AesGcm.name, key.id, key.wrap(data_key, backup))


def cipher_of(envelope: Envelope, keyring: Keyring | None) -> Cipher:
    """Return the cipher of the packs; KeyUnavailable names the missing key."""
    if envelope.cipher == Unencrypted.name:
        return Unencrypted()
    if envelope.cipher != AesGcm.name:
        raise ArchiveError(f"{envelope.label} uses cipher {envelope.cipher!r}, unknown here")
    if keyring is None:
        raise KeyUnavailable(f"{envelope.label} is encrypted under key {envelope.key_id}")
    key = keyring.find(envelope.key_id)
    return AesGcm(key.unwrap(envelope.wrapped_key, envelope.backup))


def open_manifest(
    blob: bytes, keyring: Keyring | None, stored_bytes: Callable[[], int] = lambda: MAX_BODY_BYTES
) -> tuple[Manifest, Cipher]:
    """Decode a whole manifest; ArchiveError if any bit of it has changed.

    ``stored_bytes`` returns the size of all packs; it is called for large manifests only. One
    that lists more files than the packs can hold is not decompressed.
    """
    envelope_bytes, body = split(blob)
    envelope = _parse_envelope(envelope_bytes)
    cipher = cipher_of(envelope, keyring)
    digest = _digest_of(envelope, body)
    if envelope.encrypted:
        sealed, rest = take(body, SEALED_MAGIC)
        if rest:
            raise ArchiveError("manifest has bytes after its sealed body")
        body = memoryview(cipher.open(SealedPart.MANIFEST, 0, sealed, envelope.backup.bytes))
    try:
        limit = _body_limit(envelope, len(blob), claimed_bytes(body), stored_bytes)
        fields = json.loads(decompress(body, limit=limit))
        about, contents = check_about(fields["about"]), Contents.from_json(fields["contents"])
        if about["uuid"] != str(envelope.backup) or about["label"] != envelope.label:
            raise ArchiveError("manifest's envelope and body name different backups")
        if contents.needs_others != (envelope.format == FORMAT_OF_LINKS):
            raise ArchiveError("manifest's envelope and body disagree whether it needs others")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as exc:
        raise ArchiveError(f"manifest cannot be decoded: {repr(exc)[:200]}") from None
    return Manifest(envelope, about, contents, digest), cipher


def _body_limit(
    envelope: Envelope, blob_bytes: int, claimed: int, stored_bytes: Callable[[], int]
) -> int:
    limit = min(MAX_BODY_BYTES, UNASKED_BODY_BYTES + MOST_COMPRESSION * blob_bytes)
    links = envelope.format == FORMAT_OF_LINKS
    unasked = UNASKED_BODY_BYTES_OF_LINKS if links else UNASKED_BODY_BYTES
    if claimed <= unasked:
        return limit
    return min(limit, unasked + BODY_BYTES_PER_STORED * stored_bytes())


def _wrap(envelope: Envelope, body: bytes | memoryview) -> bytes:
    fields = {
        "mooring": "manifest",
        "format": envelope.format,
        "backup": str(envelope.backup),
        "label": envelope.label,
        "cipher": envelope.cipher,
        "key_id": envelope.key_id,
        "wrapped_key": base64.b64encode(envelope.wrapped_key).decode(),
    }
    return wrap(fields, body)


def _parse_envelope(text: memoryview) -> Envelope:
    if len(text) > MAX_ENVELOPE_BYTES:
        raise ArchiveError(f"manifest's envelope has {len(text)} bytes")
    try:
        fields = json.loads(bytes(text))
        if fields["mooring"] != "manifest":
            raise ArchiveError("manifest was not written by Mooring")
        form = fields["format"]
        if form not in FORMATS or type(form) is not int:
            raise ArchiveError(
                f"manifest has format {form}, this version reads formats up to {FORMATS[-1]}",
                hint=NEWER_HINT,
            )
        return Envelope(
            UUID(fields["backup"]),
            str(fields["label"]),
            str(fields["cipher"]),
            str(fields["key_id"]),
            base64.b64decode(fields["wrapped_key"], validate=True),
            form,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise ArchiveError(f"manifest's envelope cannot be decoded: {exc!r}") from None
