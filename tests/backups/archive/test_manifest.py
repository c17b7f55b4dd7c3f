"""What does a manifest say without a key, with one, and after a rotation?"""

from __future__ import annotations

import json
import uuid

import pytest
import zstandard

from backups.archive.cipher import AesGcm, Cipher, Unencrypted
from backups.archive.contents import Contents, StoredFile, StoredPack
from backups.archive.enveloped import SKIPPABLE
from backups.archive.keys import KeyEncryptionKey, Keyring
from backups.archive.manifest import (
    new_envelope,
    open_manifest,
    read_envelope,
    rewrap,
    seal_manifest,
)
from backups.exceptions import ArchiveError, KeyUnavailable
from backups.repositories.layout import backup_folder, folder_of_manifest, manifest_name
from tests.backups.archive.stores import INSTANCE, LABEL

BACKUP = uuid.UUID("11111111-1111-4111-8111-111111111111")
OLD, NEW = KeyEncryptionKey(b"o" * 32), KeyEncryptionKey(b"n" * 32)
DATA_KEY = b"d" * 32
CONTENTS = Contents(
    (StoredFile(1, "shop/orders.ibd", 10, 10, 1, 1),),
    (StoredPack(1, 500, "0" * 64, 0, 1, 10),),
    (0,),
)
ABOUT = {"uuid": str(BACKUP), "label": LABEL, "engine": "fake", "a field of later": [1]}


def sealed(key: KeyEncryptionKey | None = OLD) -> bytes:
    cipher: Cipher = AesGcm(DATA_KEY) if key else Unencrypted()
    return seal_manifest(new_envelope(BACKUP, LABEL, DATA_KEY, key), ABOUT, CONTENTS, cipher)


def body_of(blob: bytes) -> bytes:
    """The bytes between the envelope and the digest."""
    _, length = SKIPPABLE.unpack_from(blob)
    return blob[SKIPPABLE.size + length : -40]


@pytest.mark.parametrize("key", [OLD, None], ids=["sealed", "plain"])
def test_it_says_what_was_put_in(key: KeyEncryptionKey | None) -> None:
    manifest, cipher = open_manifest(sealed(key), Keyring((OLD,)))

    assert (manifest.about, manifest.contents) == (ABOUT, CONTENTS)
    assert manifest.envelope.encrypted == bool(key)
    assert cipher.name == ("aes-256-gcm" if key else "none")


def test_an_envelope_can_be_read_without_any_key() -> None:
    envelope = read_envelope(sealed())
    assert (envelope.backup, envelope.label, envelope.key_id) == (BACKUP, LABEL, OLD.id)


def test_a_sealed_body_hides_its_names() -> None:
    assert b"orders.ibd" in zstandard.ZstdDecompressor().decompress(body_of(sealed(None)))
    with pytest.raises(zstandard.ZstdError):
        zstandard.ZstdDecompressor().decompress(body_of(sealed())[SKIPPABLE.size :])


def test_a_plain_zstd_reader_prints_an_unencrypted_one() -> None:
    reader = zstandard.ZstdDecompressor().stream_reader(sealed(None), read_across_frames=True)
    assert json.loads(reader.read())["about"] == ABOUT


def test_the_key_it_needs_is_named() -> None:
    with pytest.raises(KeyUnavailable, match=f"key {OLD.id} is not in the keyring"):
        open_manifest(sealed(), Keyring((NEW,)))
    with pytest.raises(KeyUnavailable, match=f"encrypted under key {OLD.id}"):
        open_manifest(sealed(), None)


def test_rotation_changes_the_envelope_and_not_one_byte_of_the_body() -> None:
    before = sealed()
    after = rewrap(before, Keyring((NEW, OLD)))
    assert after is not None

    assert read_envelope(after).key_id == NEW.id
    assert body_of(after) == body_of(before)
    # The old key is not needed any more.
    assert open_manifest(after, Keyring((NEW,)))[0].contents == CONTENTS


def test_there_is_nothing_to_rotate_under_the_current_key_or_without_one() -> None:
    assert rewrap(sealed(NEW), Keyring((NEW, OLD))) is None
    assert rewrap(sealed(None), Keyring((NEW,))) is None


def test_rotation_needs_the_old_key_and_a_whole_manifest() -> None:
    with pytest.raises(KeyUnavailable):
        rewrap(sealed(), Keyring((NEW,)))
    with pytest.raises(ArchiveError):
        rewrap(sealed()[:-1], Keyring((NEW, OLD)))


def test_an_envelope_of_another_backup_does_not_open_this_ones_body() -> None:
    """Envelopes are not sealed: exchanging them must not go unnoticed."""
    other = seal_manifest(
        new_envelope(uuid.uuid4(), LABEL, DATA_KEY, OLD), ABOUT, CONTENTS, AesGcm(DATA_KEY)
    )
    with pytest.raises(ArchiveError):
        open_manifest(other, Keyring((OLD,)))


def test_only_a_manifest_in_its_place_is_one() -> None:
    folder = backup_folder(INSTANCE, LABEL)
    assert folder_of_manifest(manifest_name(folder)) == folder
    for name in [
        f"{folder}/packs/manifest.json.zst",
        "manifest.json.zst",
        f"{folder}/manifest.json",
    ]:
        assert folder_of_manifest(name) is None
