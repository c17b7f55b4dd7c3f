"""What can a folder do that other repositories cannot: be full, read-only, foreign, unmounted?"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity
from backups.repositories.directory import DirectoryStore
from backups.repositories.layout import FORMAT_VERSION
from tests.backups.archive.stores import MIB, make_store, make_writer, records_of, write_records

IDENTITY = Identity("00000000-0000-4000-8000-000000000007", FORMAT_VERSION)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 4 MiB of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", "size=4m"]
    subprocess.run(["mount", *options, "mooring-test", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def all_paths(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(RepositoryError, match="is neither empty nor a repository") as raised:
        DirectoryStore(tmp_path).initialise(IDENTITY)
    assert "nothing in it was changed" in raised.value.hint
    assert all_paths(tmp_path) == ["photo.jpg"]


def test_a_fresh_filesystem_is_empty(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    DirectoryStore(tmp_path).initialise(IDENTITY)
    assert DirectoryStore(tmp_path).identity() == IDENTITY


def test_others_cannot_read_what_it_keeps(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    with store.create("a/one") as upload:
        upload.write(b"x")
        upload.commit()
    store.replace("a/two", b"x")

    modes = [(tmp_path / name).stat().st_mode & 0o007 for name in ("a", "a/one", "a/two")]
    assert modes == [0, 0, 0]


def test_a_full_disk_says_so_and_keeps_nothing_incomplete(small_disk: Path) -> None:
    store = make_store(small_disk)
    with (
        pytest.raises(RepositoryError, match=r"a/big could not be written: No space") as raised,
        store.create("a/big") as upload,
    ):
        upload.write(bytes(5 * MIB))
    assert raised.value.hint.startswith("Free space in the repository")
    assert all_paths(small_disk) == ["a", "mooring.json"]
    assert (store.free_bytes() or 0) > 3 * MIB


def test_a_backup_that_fills_the_disk_ends_and_can_be_removed(small_disk: Path) -> None:
    store = make_store(small_disk)
    files = {f"t{n}.ibd": os.urandom(MIB) for n in range(5)}
    with pytest.raises(RepositoryError, match="No space left on device"):
        write_records(make_writer([store], full_bytes=MIB), records_of(files))

    assert not [path for path in all_paths(small_disk) if path.endswith(".part")]
    store.remove_tree("instances")
    assert all_paths(small_disk) == ["mooring.json"]
    assert (store.free_bytes() or 0) > 3 * MIB


def test_a_read_only_disk_has_a_hint(small_disk: Path) -> None:
    store = make_store(small_disk)
    with store.create("a/one") as upload:
        upload.write(b"x")
        upload.commit()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    assert store.read("a/one") == b"x"
    for attempt in (
        lambda: store.create("a/two"),
        lambda: store.create("b/two"),
        lambda: store.replace("a/one", b"y"),
        lambda: store.remove_tree("a"),
    ):
        with pytest.raises(RepositoryError, match="Read-only file system") as raised:
            attempt()
        assert raised.value.hint.startswith("Give the workers' user write access")


def test_an_unmounted_disk_is_not_an_empty_repository(tmp_path: Path) -> None:
    """The mount point is there, the repository is not: nothing may be written into it."""
    store = DirectoryStore(tmp_path / "mount")
    with pytest.raises(RepositoryError, match="is not a repository") as raised:
        store.identity()
    assert "mounted" in raised.value.hint
    with pytest.raises(RepositoryError, match="No such file"):
        list(store.list("instances"))
    with pytest.raises(RepositoryError, match="No such file"):
        store.create("a/one")
    with pytest.raises(RepositoryError, match="No such file"):
        store.free_bytes()
    assert all_paths(tmp_path) == []


def test_an_unfinished_object_is_not_listed(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.part").write_bytes(b"left by a killed attempt")
    assert list(store.list("a")) == []
    with store.create("a/one") as upload:
        upload.write(b"x")
        upload.commit()
    assert list(store.list("a")) == ["a/one"]


def test_nothing_is_written_where_another_repository_has_appeared(tmp_path: Path) -> None:
    DirectoryStore(tmp_path / "r").initialise(Identity("the other", FORMAT_VERSION))
    store = DirectoryStore(tmp_path / "r", "ours")
    with pytest.raises(RepositoryError, match="holds another repository, the other"):
        store.create("packs/1")
    with pytest.raises(RepositoryError, match="holds another repository, the other"):
        store.replace("mooring.json", b"")
    (tmp_path / "r" / "mooring.json").unlink()
    with pytest.raises(RepositoryError, match="is not a repository"):
        store.create("packs/1")
    assert list((tmp_path / "r").iterdir()) == []


def test_a_deletion_that_is_cut_short_leaves_no_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one, what is left is no backup to anybody."""
    store = make_store(tmp_path)
    for name in ("a/packs/000001.pack", "a/manifest.json.zst"):
        with store.create(name) as upload:
            upload.write(b"x")
            upload.commit()

    def fail_at_once(top: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", fail_at_once)
        with pytest.raises(RepositoryError, match="Input/output error"):
            store.remove_tree("a")
    assert list(store.list("a")) == ["a/packs/000001.pack"]
    assert store.remove_tree("a") == 1


def test_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    os.mkfifo(tmp_path / "object")
    with pytest.raises(RepositoryError, match="is not a regular file"):
        store.read("object")


@pytest.mark.parametrize("name", ["link", "folder/object"])
def test_links_are_not_followed_whatever_they_lead_to(tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "object").write_bytes(b"another file of this host")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(outside / "object")
    (root / "folder").symlink_to(outside)
    with pytest.raises(RepositoryError, match="could not be read"):
        DirectoryStore(root).read(name)
