"""Disks that are full, gone, read-only or another one, and bytes on them that are not ours."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.archive import manifest as manifests
from backups.archive.cipher import AesGcm, Part, Unencrypted
from backups.archive.compression import compress
from backups.archive.frames import Extent
from backups.archive.manifest import new_envelope, open_manifest, seal_manifest
from backups.archive.writer import ArchiveWriter
from backups.leftovers import remove_leftovers
from backups.models import BackupCopy, Evidence, Job, Repository
from backups.states import CopyStatus, Operation
from tests.backups.conftest import make_repository
from tests.backups.running import stored_files
from tests.commands import run_command
from tests.live.conftest import LiveServer
from tests.live.faults import (
    FAILED,
    REFUSED,
    Place,
    Told,
    add_instance,
    assert_no_traceback,
    assert_nothing_left,
    assert_told,
    before,
    fill,
    make_place,
    small_disk,
)
from tests.live.midway import Midway

pytestmark = pytest.mark.live

BACKUP = Operation.BACKUP
SLOW_BYTES_PER_S = 4 << 20


@pytest.fixture
def disk(
    mariadb: LiveServer, tmp_path: Path, settings: Settings, transactional_db: None
) -> Iterator[Place]:
    """A place whose repository is a filesystem of its own."""
    with small_disk(tmp_path / "disk") as folder:
        yield make_place(mariadb, tmp_path, settings, repository=folder.name)


def remount(folder: str, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", folder], check=True)


# A full disk


def test_a_disk_that_is_full_before_it_begins(disk: Place) -> None:
    filler = fill(Path(disk.main.path), leave=1 << 20)
    told = Told(REFUSED, r"^preflight refused: room in main: .*MiB", "Purge backups")
    assert_told(disk.take(), told)
    filler.unlink()
    assert_nothing_left(disk)
    disk.label()


def test_a_disk_that_fills_up_in_the_middle_of_a_pack(disk: Place, settings: Settings) -> None:
    settings.THROTTLE_BYTES_PER_S = SLOW_BYTES_PER_S
    with Midway(lambda: fill(Path(disk.main.path))):
        ended = disk.take()
    (Path(disk.main.path) / "filler").unlink()
    told = Told(FAILED, r"^copy failed: .*\.pack could not be written: No space", "Free space")
    assert_told(ended, told)
    assert_nothing_left(disk)
    settings.THROTTLE_BYTES_PER_S = 0
    disk.label()


@pytest.mark.parametrize("stage", ["manifest", "read-back", "register"])
def test_a_disk_that_fills_up_before_a_later_stage(
    disk: Place, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    with monkeypatch.context() as patch:
        before(patch, BACKUP, stage, lambda: fill(Path(disk.main.path)))
        ended = disk.take()
    (Path(disk.main.path) / "filler").unlink()
    if stage == "manifest":
        told = Told(FAILED, r"^manifest failed: .*manifest\S+ could not be written: No space")
        assert_told(ended, told)
        assert_nothing_left(disk)
        disk.label()
    else:
        # All that is to be written has been.
        assert ended.exit_code == 0, ended.stdout
        assert_nothing_left(disk, backups=1)


@pytest.mark.parametrize("suffix", [".pack", "manifest.json.zst"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_rename_that_fails(
    place: Place, monkeypatch: pytest.MonkeyPatch, suffix: str, code: int
) -> None:
    """No filesystem here can be made to refuse just that: the call itself is made to fail."""
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if str(target).endswith(suffix):
            raise OSError(code, os.strerror(code))
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        ended = place.take()
    said = rf"failed: .*{suffix} could not be committed: {os.strerror(code)}"
    assert_told(ended, Told(FAILED, said))
    assert_nothing_left(place)
    place.label()


def test_a_full_disk_keeps_nobody_from_reading_or_purging(disk: Place) -> None:
    label, other = disk.label(), disk.label()
    filler = fill(Path(disk.main.path))
    assert disk.run("verifybackup", label).exit_code == 0
    assert disk.run("testrestore", label).exit_code == 0
    assert disk.run("purgebackup", label).exit_code == 0
    filler.unlink()
    assert_nothing_left(disk, backups=1)
    assert disk.run("verifybackup", other).exit_code == 0


# A disk that cannot be written, or is not there


def test_a_read_only_disk(disk: Place) -> None:
    label = disk.label()
    remount(disk.main.path, "ro")
    told = Told(
        REFUSED, r"^preflight refused: repository main: .*Read-only file system", "right to"
    )
    assert_told(disk.take(), told)
    # It can still be read.
    assert disk.run("verifybackup", label).exit_code == 0
    other = disk.run("purgebackup", label, "--force")
    assert_told(other, Told(FAILED, "^delete failed: .*Read-only file system"))
    remount(disk.main.path, "rw")
    # What was decided is carried out as soon as it can be.
    assert remove_leftovers() == 1
    assert BackupCopy.objects.get().status == CopyStatus.PURGED
    assert_nothing_left(disk)
    disk.label()


def test_a_missing_folder(place: Place) -> None:
    label = place.label()
    away = Path(place.main.path).rename(place.folder / "away")
    gone = r"main is not a repository: it has no mooring\.json"
    for command, words, exit_code in (
        ("takebackup", ["orders-1"], REFUSED),
        ("verifybackup", [label], REFUSED),
        ("testrestore", [label], REFUSED),
        ("restorebackup", [label, "--to", str(place.folder / "r")], REFUSED),
    ):
        assert_told(place.run(command, *words), Told(exit_code, gone, "is mounted"))
    assert not Evidence.objects.exists()
    away.rename(place.main.path)
    assert_nothing_left(place, backups=1)
    assert place.run("verifybackup", label).exit_code == 0


def another_disk(disk: Place, *, made: bool) -> None:
    """Put another filesystem above the repository, empty or a repository of its own."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk.main.path], check=True)
    if made:
        identity = {"repository": str(uuid.uuid4()), "format": 1}
        (Path(disk.main.path) / "mooring.json").write_text(json.dumps(identity))


@pytest.mark.parametrize("made", [True, False], ids=["another repository", "an empty disk"])
@pytest.mark.parametrize("stage", ["copy", "manifest", "read-back"])
def test_another_disk_appears_on_the_way(
    disk: Place, monkeypatch: pytest.MonkeyPatch, stage: str, made: bool
) -> None:
    with monkeypatch.context() as patch:
        before(patch, BACKUP, stage, lambda: another_disk(disk, made=made))
        ended = disk.take()
    assert_told(ended, Told(FAILED, f"^{stage} failed: ", "mount"))
    assert stored_files(disk.main) == (["mooring.json"] if made else [])
    # On the disk that is away there may be bytes: they go when it is back.
    assert Job.objects.get().leftovers
    assert remove_leftovers() == 0
    subprocess.run(["umount", disk.main.path], check=True)
    assert remove_leftovers() == 1
    assert_nothing_left(disk)
    disk.label()


# Bytes that are not what was written


def flip(place: Place, label: str) -> None:
    (pack,) = place.packs
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.write_bytes(content)


def cut(place: Place, label: str) -> None:
    (pack,) = place.packs
    os.truncate(pack, pack.stat().st_size - 1000)


def lose(place: Place, label: str) -> None:
    (pack,) = place.packs
    pack.unlink()


def empty(place: Place, label: str) -> None:
    (pack,) = place.packs
    os.truncate(pack, 0)


def bring_a_foreign_one(place: Place, label: str) -> None:
    (pack,) = place.packs
    place.label()
    (other,) = (each for each in place.packs if each != pack)
    shutil.copy(other, pack)


def cut_manifest(place: Place, label: str) -> None:
    (manifest,) = place.manifests
    os.truncate(manifest, manifest.stat().st_size - 1)


def lose_manifest(place: Place, label: str) -> None:
    (manifest,) = place.manifests
    manifest.unlink()


def take_another_manifest(place: Place, label: str) -> None:
    (manifest,) = place.manifests
    place.label()
    (other,) = (each for each in place.manifests if each != manifest)
    shutil.copy(other, manifest)


def write_newer(place: Place, label: str) -> None:
    (file,) = place.manifests
    blob = file.read_bytes()
    end = blob.index(b"}", 8) + 1
    envelope = json.loads(blob[8:end])
    assert envelope["format"] == 1
    text = json.dumps(envelope | {"format": 2}).encode()
    body = blob[8 + int.from_bytes(blob[4:8], "little") : -40]
    new = manifests._skippable(manifests.ENVELOPE_MAGIC, text) + body
    import hashlib

    digest = hashlib.sha256(new).digest()
    file.write_bytes(new + manifests._skippable(manifests.DIGEST_MAGIC, digest))


DAMAGES: list[tuple[Callable[[Place, str], None], str]] = [
    (flip, r"000001\.pack at byte \d+"),
    (cut, r"000001\.pack"),
    (empty, r"000001\.pack"),
    (lose, r"000001\.pack could not be read: No such file"),
    (bring_a_foreign_one, r"000001\.pack"),
    (cut_manifest, r"manifest"),
    (lose_manifest, r"manifest\.json\.zst could not be read"),
    (take_another_manifest, r"manifest"),
    (write_newer, r"format 2, this version reads format 1"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES, ids=[each[0].__name__ for each in DAMAGES])
def test_damage(place: Place, damage: Callable[[Place, str], None], said: str) -> None:
    label = place.label()
    damage(place, label)
    verified = place.run("verifybackup", label)
    assert_told(verified, Told(FAILED, said))
    restored = place.restore(label)
    assert_told(restored, Told(FAILED, said))
    assert not (place.folder / "restored").exists()
    tested = place.run("testrestore", label)
    assert_told(tested, Told(FAILED, said))
    assert_no_traceback(run_command("showbackup", label, "--json"))
    assert not Evidence.objects.filter(passed=True).exists()
    assert not list((place.folder / "scratch").glob("*"))
    # The next backup counts as ever.
    assert place.run("verifybackup", place.label()).exit_code == 0


def test_two_packs_that_changed_places(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    small_packs = ArchiveWriter.__init__.__kwdefaults__
    assert small_packs is not None
    monkeypatch.setitem(small_packs, "full_bytes", 1 << 16)
    label = place.label()
    first, second, *_ = place.packs
    spare = first.rename(first.with_name("spare"))
    second.rename(first)
    spare.rename(second)
    assert_told(place.run("verifybackup", label), Told(FAILED, r"00000[12]\.pack: "))
    assert_told(place.restore(label), Told(FAILED, r"00000[12]\.pack"))
    assert not (place.folder / "restored").exists()


# Keys


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
        assert_told(ended, Told(ended.exit_code, said, hint))
        assert ended.exit_code in {FAILED, REFUSED}
    # What cannot be opened for want of a key is not damaged.
    assert not Evidence.objects.exists()
    taken = place.take()
    assert taken.exit_code == backup
    if backup:
        assert_told(taken, Told(backup, said, hint))
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
    """Rewrite the list of files, with a digest that fits."""
    (file,) = place.manifests
    manifest, _ = open_manifest(file.read_bytes(), None)
    contents = manifest.contents
    files = [each._replace(path=new) if each.path == old else each for each in contents.files]
    envelope = new_envelope(manifest.envelope.backup, manifest.envelope.label, b"", None)
    forged = type(contents)(files, contents.packs, contents.phases)
    file.write_bytes(seal_manifest(envelope, manifest.about, forged, Unencrypted()))


@pytest.mark.parametrize("path", ["../outside", "/tmp/faults-outside", "shop/../../outside"])
def test_a_path_that_leads_out(plain: Place, path: str) -> None:
    label = plain.label()
    forge_manifest(plain, "shop/orders.ibd", path)
    told = Told(FAILED, r"manifest\.json\.zst: .*file name")
    assert_told(plain.restore(label), told)
    assert_told(plain.run("verifybackup", label), told)
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
    bomb = header + cipher.seal(Part.FRAME, 0, table, header + backup.bytes)
    pack.write_bytes(content[:start] + bomb + content[start + len(bomb) :])
    assert_told(plain.run("verifybackup", label), Told(FAILED, r"000001\.pack"))
    assert_told(plain.restore(label), Told(FAILED, r"000001\.pack"))
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
    assert_told(purge, Told(REFUSED, said, "Wait for it or cancel it"))
    assert place.run("purgebackup", label).exit_code == 0
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
