"""Keys that do not fit, archives that were forged, and purges beside those who read."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.archive.cipher import AesGcm, SealedPart, Unencrypted
from backups.archive.compression import compress
from backups.archive.frames import Extent
from backups.archive.manifest import (
    manifest_digest,
    new_envelope,
    open_manifest,
    seal_manifest,
)
from backups.models import BackupCopy, Evidence, Repository
from backups.states import Operation
from tests.backups.conftest import make_repository
from tests.commands import run_command
from tests.live.faults import (
    FAILED,
    REFUSED,
    Ending,
    Place,
    add_instance,
    assert_ending,
    assert_nothing_left,
    before,
)

pytestmark = pytest.mark.live

BACKUP = Operation.BACKUP
SLOW_BYTES_PER_S = 4 << 20


def lose_key(place: Place, key: Path) -> None:
    key.rename(key.with_name("elsewhere"))


def change_key(place: Place, key: Path) -> None:
    lose_key(place, key)
    assert run_command("createbackupkey").exit_code == 0


def open_key(place: Place, key: Path) -> None:
    key.chmod(0o644)


@pytest.mark.parametrize(
    ("broken", "said", "hint", "backup"),
    [
        (lose_key, r"there is no key|no backup key|does not exist|backup\.key", r"\.", REFUSED),
        (change_key, r"key [0-9a-f]+", r"\.", 0),
        (open_key, r"backup\.key.*", "chmod", REFUSED),
    ],
    ids=["missing", "wrong", "readable by others"],
)
def test_a_key(
    place: Place,
    settings: Settings,
    broken: Callable[[Place, Path], None],
    said: str,
    hint: str,
    backup: int,
) -> None:
    label = place.label()
    broken(place, settings.BACKUP_KEY_FILE)
    for ended in (
        place.run("verifybackup", label),
        place.run("testrestore", label),
        place.restore(label),
    ):
        assert_ending(ended, Ending(ended.exit_code, said, hint))
        assert ended.exit_code in {FAILED, REFUSED}
    # What cannot be opened for want of a key is not damaged.
    assert not Evidence.objects.exists()
    taken = place.take()
    assert taken.exit_code == backup
    if backup:
        assert_ending(taken, Ending(backup, said, hint))
    assert_nothing_left(place, backups=1 + (not backup))


# Forgeries, in a repository that is not encrypted: anybody who can write there can make them


@pytest.fixture
def plain(place: Place) -> Place:
    Repository.objects.all().delete()
    return Place(
        place.server,
        make_repository("plain", place.folder / "plain", encrypted=False),
        place.folder,
    )


def forge_manifest(place: Place, old: str, new: str) -> None:
    """Rewrite the list of files, with digests that fit, in the catalog too."""
    (file,) = place.manifests
    manifest, _ = open_manifest(file.read_bytes(), None)
    contents = manifest.contents
    files = [each._replace(path=new) if each.path == old else each for each in contents.files]
    envelope = new_envelope(manifest.envelope.backup, manifest.envelope.label, b"", None)
    forged = type(contents)(files, contents.packs, contents.phases)
    blob = seal_manifest(envelope, manifest.about, forged, Unencrypted())
    file.write_bytes(blob)
    BackupCopy.objects.update(manifest_digest=manifest_digest(blob))


@pytest.mark.parametrize("path", ["../outside", "/tmp/faults-outside", "shop/../../outside"])
def test_a_path_that_leads_out(plain: Place, path: str) -> None:
    label = plain.label()
    forge_manifest(plain, "shop/visits.MYD", path)
    ending = Ending(FAILED, r"manifest\.json\.zst: .*file name")
    assert_ending(plain.restore(label), ending)
    assert_ending(plain.run("verifybackup", label), ending)
    assert not (plain.folder / "outside").exists()
    assert not Path("/tmp/faults-outside").exists()


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "claims a cipher"])
def test_a_bomb(plain: Place, sealed: bool) -> None:
    """A small frame that would unpack to far more than it says."""
    import struct

    label = plain.label()
    (pack,) = plain.packs
    content = pack.read_bytes()
    start = content.index(b"MFR1")
    backup = uuid.UUID(str(BackupCopy.objects.get().backup.uuid))
    table = struct.pack("<I", 1) + struct.pack("<IQI", *Extent(1, 0, 10))
    table += compress(bytes(1 << 28), 1)
    header = struct.pack("<4sIII", b"MFR1", len(table) + 16, 10, 0)
    cipher = AesGcm(bytes(32)) if sealed else Unencrypted()
    bomb = header + cipher.seal(SealedPart.FRAME, 0, table, header + backup.bytes)
    pack.write_bytes(content[:start] + bomb + content[start + len(bomb) :])
    assert_ending(plain.run("verifybackup", label), Ending(FAILED, r"000001\.pack"))
    assert_ending(plain.restore(label), Ending(FAILED, r"000001\.pack"))
    assert not (plain.folder / "restored").exists()


# Two jobs on one backup


@pytest.mark.parametrize(
    ("operation", "stage", "command", "reading"),
    [
        (Operation.VERIFY, "read packs", "verifybackup", "verify"),
        (Operation.RESTORE, "extract", "restorebackup", "restore"),
        (Operation.RESTORE_TEST, "check tables", "testrestore", "restore"),
    ],
)
def test_a_purge_while_it_is_read(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    operation: Operation,
    stage: str,
    command: str,
    reading: str,
) -> None:
    label = place.label()
    place.label()
    purges = []
    with monkeypatch.context() as patch:
        before(patch, operation, stage, lambda: purges.append(place.run("purgebackup", label)))
        to = ["--to", str(place.folder / "restored")] if command == "restorebackup" else []
        assert place.run(command, label, *to).exit_code == 0
    (purge,) = purges
    said = rf"^decide refused: {reading}.* job \d+ of orders-1 is reading {label}"
    assert_ending(purge, Ending(REFUSED, said, "Wait for it or cancel it"))
    # It may be the only one that is proven now.
    assert place.run("purgebackup", label, "--force").exit_code == 0
    assert_nothing_left(place, backups=1)


@pytest.mark.parametrize("command", ["verifybackup", "testrestore", "restorebackup"])
def test_reading_while_it_is_purged(
    place: Place, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    label = place.label()
    place.label()
    readers = []

    def read() -> None:
        to = ["--to", str(place.folder / "restored")] if command == "restorebackup" else []
        readers.append(place.run(command, label, *to))

    before(monkeypatch, Operation.PURGE, "delete", read)
    assert place.run("purgebackup", label).exit_code == 0
    (reader,) = readers
    assert reader.exit_code == REFUSED
    assert "is being purged" in reader.json()["error"]
    assert not (place.folder / "restored").exists()
    assert not Evidence.objects.exists()
    assert add_instance(place.server, name="unharmed")
