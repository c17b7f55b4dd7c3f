"""Is a backup on media that are read from the beginning read once, in order, and checked?"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from backups.archive.extract import extract
from backups.archive.meter import Meter
from backups.exceptions import ArchiveError, RepositoryError
from backups.repositories.base import Identity
from backups.repositories.directory import DirectoryStore
from backups.repositories.layout import FORMAT_VERSION
from backups.repositories.sequential.store import SequentialStore
from tests.backups.archive.stores import (
    MIB,
    SCRIPT,
    extract_backup,
    make_store,
    open_backup,
    records_of,
    verify_backup,
    write_backup,
)
from tests.backups.repositories.folder_medium import FolderMedium, folder_store

FILES = {
    "ibdata1": os.urandom(5 * MIB + 17),
    "shop/orders.ibd": bytes(9 * MIB) + os.urandom(4096) + bytes(3 * MIB),
    "shop/empty.isl": b"",
    "shop/users.ibd": os.urandom(6 * MIB),
}
UNWRAP = SCRIPT.with_name("unwrap_piece.py")
UUID = "00000000-0000-4000-8000-000000000007"


@pytest.fixture
def store(tmp_path: Path) -> SequentialStore:
    store = folder_store(tmp_path, UUID)
    store.initialise(Identity(UUID, FORMAT_VERSION))
    return store


def medium_of(store: SequentialStore) -> FolderMedium:
    assert isinstance(store.medium, FolderMedium)
    return store.medium


def packs_of(store: SequentialStore) -> list[Path]:
    return sorted(path for path in medium_of(store).folder.iterdir() if ".pack." in path.name)


def fetched_packs(store: SequentialStore) -> list[str]:
    return [name[-13:-2] for name in medium_of(store).fetched if ".pack." in name]


@pytest.mark.parametrize("encrypted", [True, False])
def test_files_come_back_byte_for_byte(
    tmp_path: Path, store: SequentialStore, encrypted: bool
) -> None:
    folder = write_backup(store, records_of(FILES), encrypted=encrypted, full_bytes=5 * MIB)

    assert extract_backup(store, folder, tmp_path / "out") == FILES
    # The third holds only the table of hashes, which a restore of a full backup does not need.
    assert fetched_packs(store) == ["000001.pack", "000002.pack"]
    medium_of(store).fetched.clear()
    report = verify_backup(store, folder)
    assert (report.damages, report.files, report.packs) == ([], len(FILES), 3)
    assert fetched_packs(store) == ["000001.pack", "000002.pack", "000003.pack"]


def test_one_file_has_whole_packs_read_in_order(tmp_path: Path, store: SequentialStore) -> None:
    folder = write_backup(store, records_of(FILES), full_bytes=5 * MIB)
    found = extract_backup(store, folder, tmp_path / "out", is_users)
    assert found == {"shop/users.ibd": FILES["shop/users.ibd"]}
    files = open_backup(store, folder).manifest.contents.files
    wanted = next(file for file in files if is_users(file.path))
    numbers = [int(name[:6]) for name in fetched_packs(store)]
    assert numbers == list(range(wanted.first_pack, wanted.last_pack + 1))


def test_a_backup_in_a_folder_and_on_a_tape_is_the_same(
    tmp_path: Path, store: SequentialStore
) -> None:
    disk = make_store(tmp_path / "disk")
    folder = write_backup([disk, store], records_of(FILES), full_bytes=5 * MIB)
    manifest = open_backup(store, folder).manifest
    assert manifest.digest == open_backup(disk, folder).manifest.digest
    open_backup(store, folder).check_sizes()


def test_a_manifest_is_read_from_the_medium_once(store: SequentialStore) -> None:
    folder = write_backup(store, records_of({"x": b"x"}))
    for _ in range(3):
        open_backup(store, folder)
    assert [name for name in medium_of(store).fetched if "manifest" in name] == [
        f"site1.{folder.replace('/', '+2f').replace('@', '+40')}+2fmanifest.json.zst.1"
    ]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-8192]), "is cut off"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "has a short block"),
        (lambda path: path.write_bytes(b""), "ends after 0 blocks"),
        (lambda path: path.write_bytes(path.read_bytes() + b"more"), "goes on after its end"),
        (lambda path: flip(path, 4096 * 5 + 100), "its checksum does not match"),
        (lambda path: flip(path, 4096 * 5 + 1), "no block of a piece"),
        (lambda path: flip(path, 4096 * 5 + 17), "not the block that belongs there"),
        (lambda path: swap_blocks(path, 3, 4), "not the block that belongs there"),
    ],
)
def test_a_damaged_piece_is_damage_that_verify_names(
    tmp_path: Path, store: SequentialStore, damage: object, problem: str
) -> None:
    folder = write_backup(store, records_of(FILES), full_bytes=5 * MIB)
    assert callable(damage)
    damage(packs_of(store)[1])

    report = verify_backup(store, folder)
    assert any(problem in str(found) for found in report.damages), report.damages
    assert report.packs == 3
    with pytest.raises(RepositoryError, match=problem):
        extract_backup(store, folder, tmp_path / "out")


def test_zeros_after_the_end_are_the_devices(tmp_path: Path, store: SequentialStore) -> None:
    folder = write_backup(store, records_of(FILES), full_bytes=5 * MIB)
    path = packs_of(store)[0]
    path.write_bytes(path.read_bytes() + bytes(100_000))
    assert verify_backup(store, folder).damages == []


def test_a_piece_of_another_object_is_refused(store: SequentialStore) -> None:
    folder = write_backup(store, records_of(FILES), full_bytes=5 * MIB)
    first, second, _ = packs_of(store)
    second.write_bytes(first.read_bytes())
    damages = "\n".join(str(found) for found in verify_backup(store, folder).damages)
    assert "says it is of 'instances/" in damages


def test_a_piece_of_another_repository_is_refused(tmp_path: Path, store: SequentialStore) -> None:
    folder = write_backup(store, records_of({"x": b"x"}))
    other = SequentialStore(
        lambda: medium_of(store), "site1", store.catalog, "media:test/site1", UUID[::-1]
    )
    with pytest.raises(RepositoryError, match=f"belongs to repository {UUID}, not to this one"):
        open_backup(other, folder)


def test_an_older_pack_under_the_same_name_is_not_the_manifests(
    tmp_path: Path, store: SequentialStore
) -> None:
    """Whoever writes to the medium can make a piece that is sound in itself."""
    backup = uuid.uuid4()
    folder = write_backup(store, records_of({"x": b"x"}), backup=backup)
    pack = packs_of(store)[0]
    (tmp_path / "made").mkdir()
    other = folder_store(tmp_path / "made", UUID)
    write_backup(other, records_of({"x": b"y"}), backup=backup)
    pack.write_bytes(packs_of(other)[0].read_bytes())
    damages = "\n".join(str(found) for found in verify_backup(store, folder).damages)
    assert "are not those that were stored" in damages


def test_a_cancelled_restore_reads_no_further(tmp_path: Path, store: SequentialStore) -> None:
    folder = write_backup(store, records_of(FILES), full_bytes=5 * MIB)
    chain = [open_backup(store, folder)]

    def stop() -> None:
        raise KeyboardInterrupt

    (tmp_path / "out").mkdir()
    with pytest.raises(KeyboardInterrupt):
        extract(chain, tmp_path / "out", threads=2, check=stop, meter=Meter())
    assert fetched_packs(store) == ["000001.pack"]


def test_a_frame_alone_is_not_read_from_a_tape(store: SequentialStore) -> None:
    folder = write_backup(store, records_of({"x": os.urandom(17 * MIB)}))
    with pytest.raises((RepositoryError, ArchiveError), match="only read from the beginning"):
        open_backup(store, folder).find_frame(0)
    assert fetched_packs(store) == []


def is_users(path: str) -> bool:
    return path == "shop/users.ibd"


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def swap_blocks(path: Path, one: int, other: int) -> None:
    content = path.read_bytes()
    blocks = [content[at : at + 4096] for at in range(0, len(content), 4096)]
    blocks[one], blocks[other] = blocks[other], blocks[one]
    path.write_bytes(b"".join(blocks))


def test_a_piece_is_unwrapped_without_mooring(tmp_path: Path, store: SequentialStore) -> None:
    folder = write_backup(store, records_of(FILES), full_bytes=5 * MIB)
    out = tmp_path / "fetched"
    for piece in medium_of(store).folder.iterdir():
        assert unwrapped(piece, out).returncode == 0
    assert extract_backup(DirectoryStore(out), folder, tmp_path / "files") == FILES

    again = unwrapped(packs_of(store)[0], out)
    assert (again.returncode, b"is there already" in again.stderr) == (2, True)


@pytest.mark.parametrize("offset", [5, 30, 4096 + 20, 4096 * 3 + 100, -4080])
def test_a_damaged_piece_is_not_unwrapped(
    tmp_path: Path, store: SequentialStore, offset: int
) -> None:
    write_backup(store, records_of({"x": os.urandom(50_000)}))
    (pack,) = packs_of(store)
    flip(pack, offset % pack.stat().st_size)
    ended = unwrapped(pack, tmp_path / "fetched")
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"not unwrapped: ")
    assert not [path for path in (tmp_path / "fetched").rglob("*.pack")]


def unwrapped(piece: Path, folder: Path) -> subprocess.CompletedProcess[bytes]:
    with piece.open("rb") as source:
        words = [sys.executable, "-I", str(UNWRAP), str(folder)]
        return subprocess.run(words, stdin=source, capture_output=True, check=False)
