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

from backups.archive import enveloped
from backups.archive.writer import ArchiveWriter
from backups.executor.leftovers import remove_leftovers
from backups.models import BackupCopy, Evidence, Job
from backups.states import CopyStatus, Operation
from tests.backups.taking import stored_files
from tests.commands import run_command
from tests.live.faults import (
    FAILED,
    REFUSED,
    Ending,
    Place,
    assert_ending,
    assert_no_traceback,
    assert_nothing_left,
    before,
    fill,
    make_place,
    small_disk,
)
from tests.live.midway import Midway
from tests.live.server import LiveServer

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
    ending = Ending(REFUSED, r"^preflight refused: room in main: .*MiB", "Purge backups")
    assert_ending(disk.take(), ending)
    filler.unlink()
    assert_nothing_left(disk)
    disk.label()


def test_a_disk_that_fills_up_in_the_middle_of_a_pack(disk: Place, settings: Settings) -> None:
    settings.THROTTLE_BYTES_PER_S = SLOW_BYTES_PER_S
    with Midway(lambda: fill(Path(disk.main.path))):
        ended = disk.take()
    (Path(disk.main.path) / "filler").unlink()
    ending = Ending(FAILED, r"^copy failed: .*\.pack could not be written: No space", "Free space")
    assert_ending(ended, ending)
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
        ending = Ending(FAILED, r"^manifest failed: .*manifest\S+ could not be written: No space")
        assert_ending(ended, ending)
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
    assert_ending(ended, Ending(FAILED, said))
    assert_nothing_left(place)
    place.label()


def test_a_full_disk_keeps_nobody_from_reading_or_purging(disk: Place) -> None:
    label, other = disk.label(), disk.label()
    filler = fill(Path(disk.main.path))
    for taken in (label, other):
        assert disk.run("verifybackup", taken).exit_code == 0
    assert disk.run("testrestore", label).exit_code == 0
    assert disk.run("purgebackup", label).exit_code == 0
    filler.unlink()
    assert_nothing_left(disk, backups=1)
    assert disk.run("verifybackup", other).exit_code == 0


# A disk that cannot be written, or is not there


def test_a_read_only_disk(disk: Place) -> None:
    label = disk.label()
    remount(disk.main.path, "ro")
    ending = Ending(
        REFUSED, r"^preflight refused: repository main: .*Read-only file system", "write access"
    )
    assert_ending(disk.take(), ending)
    # It can still be read.
    assert disk.run("verifybackup", label).exit_code == 0
    other = disk.run("purgebackup", label, "--force")
    assert_ending(other, Ending(FAILED, "^delete failed: .*Read-only file system"))
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
        assert_ending(place.run(command, *words), Ending(exit_code, gone, "is mounted"))
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
    assert_ending(ended, Ending(FAILED, f"^{stage} failed: ", "mount"))
    assert stored_files(disk.main) == (["mooring.json"] if made else [])
    # Once a byte was written, there may be some on the missing disk: they go when it is back.
    begun = stage != "copy"
    assert Job.objects.get().leftovers == begun
    assert remove_leftovers() == 0
    subprocess.run(["umount", disk.main.path], check=True)
    assert remove_leftovers() == begun
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
    body = blob[8 + int.from_bytes(blob[4:8], "little") : -40]
    file.write_bytes(enveloped.wrap(envelope | {"format": 3}, body))


DAMAGES: list[tuple[Callable[[Place, str], None], str]] = [
    (flip, r"000001\.pack at byte \d+"),
    (cut, r"000001\.pack"),
    (empty, r"000001\.pack"),
    (lose, r"000001\.pack could not be read: No such file"),
    (bring_a_foreign_one, r"000001\.pack"),
    (cut_manifest, r"manifest"),
    (lose_manifest, r"manifest\.json\.zst could not be read"),
    (take_another_manifest, r"manifest"),
    (write_newer, r"format 3, this version reads formats up to 2"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES, ids=[each[0].__name__ for each in DAMAGES])
def test_damage(place: Place, damage: Callable[[Place, str], None], said: str) -> None:
    label = place.label()
    damage(place, label)
    verified = place.run("verifybackup", label)
    assert_ending(verified, Ending(FAILED, said))
    restored = place.restore(label)
    assert_ending(restored, Ending(FAILED, said))
    assert not (place.folder / "restored").exists()
    tested = place.run("testrestore", label)
    assert_ending(tested, Ending(FAILED, said))
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
    assert_ending(place.run("verifybackup", label), Ending(FAILED, r"00000[12]\.pack: "))
    assert_ending(place.restore(label), Ending(FAILED, r"00000[12]\.pack"))
    assert not (place.folder / "restored").exists()
