"""Is damage found wherever it is, and named so that a person knows what is lost?"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from backups.archive.manifest import open_manifest
from backups.archive.verify import MAX_DAMAGES, VerifyReport
from backups.exceptions import ArchiveError, MooringError
from backups.repositories.directory import DirectoryStore
from tests.backups.archive.stores import (
    KEYRING,
    MIB,
    extract_backup,
    make_store,
    records_of,
    verify_backup,
    write_backup,
)

SMALL = {"shop/orders.ibd": b"rows of orders", "ibdata1": b"dictionary", "shop/none.isl": b""}
both_ciphers = pytest.mark.parametrize("encrypted", [True, False], ids=["sealed", "plain"])


class Victim:
    """A backup to be damaged, one change at a time."""

    def __init__(
        self, root: Path, files: dict[str, bytes], *, encrypted: bool = True, full_bytes: int = MIB
    ) -> None:
        self.store = make_store(root)
        self.folder = write_backup(
            self.store, records_of(files), encrypted=encrypted, full_bytes=full_bytes
        )
        self.root = root / self.folder
        self.manifest = self.root / "manifest.json.zst"

    def pack(self, number: int = 1) -> Path:
        return self.root / f"packs/{number:06d}.pack"

    def verify(self) -> VerifyReport:
        return verify_backup(self.store, self.folder)

    def problems(self) -> str:
        return "\n".join(str(damage) for damage in self.verify().damages)


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_every_damage_below_starts_from_a_whole_backup(tmp_path: Path) -> None:
    report = Victim(tmp_path, SMALL).verify()
    assert report.passed
    assert (report.packs, report.frames, report.files) == (1, 2, 3)


@both_ciphers
def test_every_flipped_bit_of_a_manifest_is_found(tmp_path: Path, encrypted: bool) -> None:
    manifest = Victim(tmp_path, SMALL, encrypted=encrypted).manifest.read_bytes()
    for bit in range(8 * len(manifest)):
        with pytest.raises(ArchiveError):
            open_manifest(flipped(manifest, bit), KEYRING)


@both_ciphers
def test_every_truncated_manifest_is_found(tmp_path: Path, encrypted: bool) -> None:
    manifest = Victim(tmp_path, SMALL, encrypted=encrypted).manifest.read_bytes()
    for length in range(len(manifest)):
        with pytest.raises(ArchiveError):
            open_manifest(manifest[:length], KEYRING)
    with pytest.raises(ArchiveError):
        open_manifest(manifest + b"\0", KEYRING)


@both_ciphers
def test_every_flipped_bit_of_a_pack_is_found(tmp_path: Path, encrypted: bool) -> None:
    victim = Victim(tmp_path, SMALL, encrypted=encrypted)
    whole = victim.pack().read_bytes()
    for bit in range(8 * len(whole)):
        victim.pack().write_bytes(flipped(whole, bit))
        assert not victim.verify().passed, f"bit {bit} of {len(whole)} bytes"


@both_ciphers
def test_every_truncated_pack_is_found(tmp_path: Path, encrypted: bool) -> None:
    victim = Victim(tmp_path, SMALL, encrypted=encrypted)
    whole = victim.pack().read_bytes()
    for content in [*(whole[:length] for length in range(len(whole))), whole + b"\0"]:
        victim.pack().write_bytes(content)
        assert not victim.verify().passed, len(content)


@both_ciphers
def test_a_flipped_bit_is_reported_with_pack_offset_and_file(
    tmp_path: Path, encrypted: bool
) -> None:
    files = {"a.ibd": os.urandom(4 * MIB), "b.ibd": os.urandom(4 * MIB)}
    victim = Victim(tmp_path, files, encrypted=encrypted, full_bytes=100 * MIB)
    whole = victim.pack().read_bytes()
    second_frame = whole.index(b"MFR1", 4 * MIB)
    victim.pack().write_bytes(flipped(whole, 8 * (second_frame + 1000)))

    frame, *others = victim.verify().damages
    assert frame.object == f"{victim.folder}/packs/000001.pack"
    assert (frame.offset, frame.files) == (second_frame, ("b.ibd",))
    assert f"000001.pack at byte {second_frame}: frame 1 does" in str(frame)
    assert "b.ibd" in str(frame)
    assert [damage.object for damage in others] == [frame.object, "b.ibd"]
    assert others[1].problem == f"only 0 of {4 * MIB} bytes are intact"
    with pytest.raises(ArchiveError, match="frame 1 does"):
        extract_backup(victim.store, victim.folder, tmp_path / "out")


def test_a_lost_index_does_not_hide_which_frame_is_damaged(tmp_path: Path) -> None:
    files = {"a.ibd": os.urandom(4 * MIB), "b.ibd": os.urandom(4 * MIB)}
    victim = Victim(tmp_path, files, full_bytes=100 * MIB)
    whole = victim.pack().read_bytes()
    both = flipped(flipped(whole, 8 * (len(whole) - 30)), 8 * 1000)
    victim.pack().write_bytes(both)

    report = victim.verify()
    # The other one, and the one with the block table.
    assert report.frames == 2
    assert [damage.offset for damage in report.damages] == [None, 32, None, None]
    assert report.damages[-1].object == "a.ibd"


def swap_packs(victim: Victim) -> None:
    first, second = victim.pack(1).read_bytes(), victim.pack(2).read_bytes()
    victim.pack(1).write_bytes(second)
    victim.pack(2).write_bytes(first)


def swap_frames(victim: Victim) -> None:
    """Exchange two sealed frames of the same length within a pack."""
    whole = victim.pack().read_bytes()
    first, second, *_ = (found.start() for found in re.finditer(b"MFR1", whole))
    end = second + second - first
    victim.pack().write_bytes(whole[:first] + whole[second:end] + whole[first:second] + whole[end:])


def drop_first_frame(victim: Victim) -> None:
    whole = victim.pack().read_bytes()
    first, second, *_ = (found.start() for found in re.finditer(b"MFR1", whole))
    victim.pack().write_bytes(whole[:first] + whole[second:])


def take_pack_of_another_backup(victim: Victim) -> None:
    folder = write_backup(victim.store, records_of(TWO_PACKS), label="other", full_bytes=1)
    shutil.copy(victim.store.root / folder / "packs/000001.pack", victim.pack(1))


TWO_PACKS = {"a.ibd": b"a" * 100, "b.ibd": os.urandom(5 * MIB)}
TWO_FRAMES = {"a.ibd": bytes(4 * MIB), "b.ibd": bytes(4 * MIB)}


@both_ciphers
@pytest.mark.parametrize(
    ("files", "full_bytes", "damage", "expected"),
    [
        (TWO_PACKS, 1, swap_packs, r"000001\.pack: .* bytes, the manifest says"),
        (TWO_PACKS, 1, lambda v: v.pack(2).unlink(), r"000002\.pack could not be read: No such"),
        (TWO_PACKS, 1, take_pack_of_another_backup, r"000001\.pack: pack belongs to backup"),
        (TWO_FRAMES, MIB, swap_frames, r"000001\.pack at byte 32: .* \(holds a\.ibd\)"),
        (TWO_FRAMES, MIB, drop_first_frame, r"a\.ibd: only 0 of 4194304 bytes are intact"),
    ],
    ids=["swapped packs", "missing pack", "foreign pack", "swapped frames", "missing frame"],
)
def test_bytes_in_the_wrong_place_are_found(
    tmp_path: Path,
    encrypted: bool,
    files: dict[str, bytes],
    full_bytes: int,
    damage: Callable[[Victim], None],
    expected: str,
) -> None:
    victim = Victim(tmp_path / "r", files, encrypted=encrypted, full_bytes=full_bytes)
    assert victim.verify().passed
    damage(victim)

    assert re.search(expected, victim.problems())
    with pytest.raises(MooringError):
        extract_backup(victim.store, victim.folder, tmp_path / "out")


def test_a_report_of_a_ruined_disk_stays_readable(tmp_path: Path) -> None:
    files = {f"t{n}.ibd": b"x" for n in range(MAX_DAMAGES + 5)}
    victim = Victim(tmp_path, files)
    victim.pack().unlink()

    assert len(victim.verify().damages) == MAX_DAMAGES


def test_a_backup_without_manifest_is_none(tmp_path: Path) -> None:
    victim = Victim(tmp_path, SMALL)
    victim.manifest.unlink()

    with pytest.raises(MooringError, match=r"manifest\.json\.zst could not be read"):
        DirectoryStore(tmp_path).read(f"{victim.folder}/manifest.json.zst")
    with pytest.raises(MooringError):
        victim.verify()
