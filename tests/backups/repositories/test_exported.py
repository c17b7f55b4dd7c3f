"""An exported file is read as a repository: whatever is in it, and nothing is written to it."""

from __future__ import annotations

import io
import os
import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity, ObjectStore
from backups.repositories.exported.members import BLOCK
from backups.repositories.exported.store import ExportedStore
from backups.repositories.exported.writer import ExportWriter, publish, unfinished_path
from backups.repositories.identity import identity_line
from backups.repositories.layout import FORMAT_VERSION, IDENTITY_NAME

IDENTITY = Identity(str(uuid.UUID(int=7)), FORMAT_VERSION)
OBJECTS = {"a/one": b"0123456789", "a/two": b"x" * BLOCK, "b/three": b""}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "exported.tar"
    with ExportWriter(path, 1) as writer:
        line = identity_line(IDENTITY)
        writer.add(IDENTITY_NAME, len(line), [line])
        for name, content in OBJECTS.items():
            writer.add(name, len(content), [content[:4], content[4:]])
        writer.finish()
    publish(path, 1)
    return path


def test_it_has_what_was_put_in(file: Path) -> None:
    store = ExportedStore(file)
    assert store.identity() == IDENTITY
    assert list(store.list("")) == sorted([*OBJECTS, IDENTITY_NAME])
    assert list(store.list("a/")) == ["a/one", "a/two"]
    assert {name: store.read(name) for name in OBJECTS} == OBJECTS
    assert store.read("a/one", 3, 4) == b"3456"
    assert (store.size("a/two"), store.exists("a/none"), store.holds("b")) == (BLOCK, False, True)


def test_tar_reads_it_and_nobody_else_may(file: Path) -> None:
    with tarfile.open(file, "r:") as archive:
        members = {member.name: member.size for member in archive}
    assert members == {name: len(content) for name, content in OBJECTS.items()} | {
        IDENTITY_NAME: len(identity_line(IDENTITY))
    }
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("offset", "length"), [(3, -1), (0, 11), (11, 1), (-1, 2), (0, 1 << 60)])
def test_no_other_bytes_are_read_than_those_of_the_object(
    file: Path, offset: int, length: int
) -> None:
    with pytest.raises(RepositoryError, match="a/one ends early"):
        ExportedStore(file).read("a/one", offset, length)


@pytest.mark.parametrize("name", ["../one", "/a/one", "a//one", "a/./one", "a\0one"])
def test_a_name_that_leads_out_is_refused(file: Path, name: str) -> None:
    store = ExportedStore(file)
    for call in (store.read, store.size, store.exists):
        with pytest.raises(RepositoryError, match="leads out"):
            call(name)


WRITES: list[Callable[[ObjectStore], object]] = [
    lambda store: store.initialise(IDENTITY),
    lambda store: store.create("c"),
    lambda store: store.try_writing(),
    lambda store: store.replace("a/one", b""),
    lambda store: store.remove("a/one"),
    lambda store: store.remove_tree("a"),
]


@pytest.mark.parametrize("write", WRITES)
def test_nothing_is_written_or_deleted(file: Path, write: Callable[[ObjectStore], object]) -> None:
    before = file.read_bytes()
    with pytest.raises(RepositoryError, match="nothing is written to it") as raised:
        write(ExportedStore(file))
    assert raised.value.hint.endswith(".")
    assert file.read_bytes() == before


def test_an_unfinished_one_leaves_nothing(tmp_path: Path) -> None:
    fault = pytest.raises(RepositoryError, match="has 2 bytes instead of 3")
    with fault, ExportWriter(tmp_path / "e.tar", 5) as writer:
        assert unfinished_path(tmp_path / "e.tar", 5).exists()
        writer.add("a", 3, [b"12"])
    assert list(tmp_path.iterdir()) == []


def test_it_replaces_no_file(tmp_path: Path) -> None:
    (tmp_path / "e.tar").write_bytes(b"mine")
    with ExportWriter(tmp_path / "e.tar", 5) as writer:
        writer.finish()
    with pytest.raises(RepositoryError, match="File exists"):
        publish(tmp_path / "e.tar", 5)
    assert (tmp_path / "e.tar").read_bytes() == b"mine"


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with ExportWriter(tmp_path / "e.tar", 5) as writer:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, writer._file.fileno())
        os.close(full)
        with pytest.raises(RepositoryError, match="No space left"):
            writer.add("a", 1 << 20, [bytes(1 << 20)])
            writer.finish()


def test_one_that_ends_early_is_no_repository(file: Path) -> None:
    whole = file.read_bytes()
    for length in (0, 100, BLOCK, len(whole) - 2 * BLOCK - 1, len(whole) - 2 * BLOCK):
        file.write_bytes(whole[:length])
        with pytest.raises(RepositoryError, match=r"ends early|damaged"):
            ExportedStore(file).identity()


def forged(path: Path, *members: tarfile.TarInfo, form: int = tarfile.USTAR_FORMAT) -> Path:
    with tarfile.open(path, "w:", format=form) as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size, "/etc/passwd"
    return made


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_only_regular_files_are_members(tmp_path: Path, kind: bytes) -> None:
    file = forged(tmp_path / "e.tar", member("a", kind))
    with pytest.raises(RepositoryError, match="that no export writes"):
        ExportedStore(file).exists("a")


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "a//b"])
def test_a_member_whose_name_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    file = forged(tmp_path / "e.tar", member(name))
    with pytest.raises(RepositoryError, match="that no export writes"):
        list(ExportedStore(file).list(""))


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    file = forged(tmp_path / "e.tar", member("a"), member("a", size=3))
    with pytest.raises(RepositoryError, match="damaged at byte 512"):
        list(ExportedStore(file).list(""))


def test_extended_headers_are_refused(tmp_path: Path) -> None:
    file = forged(tmp_path / "e.tar", member("é" * 200), form=tarfile.PAX_FORMAT)
    with pytest.raises(RepositoryError, match="that no export writes"):
        list(ExportedStore(file).list(""))


def test_what_is_no_file_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/passwd")
    for name in ("pipe", "link", "nothing"):
        with pytest.raises(RepositoryError):
            ExportedStore(tmp_path / name).identity()
    (tmp_path / "text").write_bytes(b"not a tar archive\n" * 100)
    with pytest.raises(RepositoryError, match="no exported backup"):
        ExportedStore(tmp_path / "text").identity()


def test_an_exchanged_file_is_read_again(file: Path, tmp_path: Path) -> None:
    store = ExportedStore(file)
    assert store.exists("a/one")
    other = tmp_path / "other"
    with ExportWriter(other, 2) as writer:
        writer.finish()
    publish(other, 2)
    other.rename(file)
    assert not store.exists("a/one")
    with pytest.raises(RepositoryError, match="is not a repository"):
        store.identity()
