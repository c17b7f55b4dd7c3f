"""What of a data folder is read as quiet tables, and what is not?"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from backups.archive.records import Data, FileClosed, FileOpened, FileRemoved, Record
from backups.engines.mariadb_backup.chunks import PIECE_BYTES
from backups.engines.mariadb_backup.quiet_files import (
    NotQuiet,
    QuietReader,
    list_schemas,
    look_at,
    with_identities,
)
from backups.innodb.checksums import crc32c
from tests.backups.innodb.made_pages import SPACE, full_crc32

SIZE = 16384
FLAGS = 0x15
NAME = "shop.orders"


def tablespace(pages: int = 5) -> bytes:
    first = bytearray(full_crc32(SIZE, 0))
    # The flags are where page 0 has them, and it is signed again.
    first[54:58] = FLAGS.to_bytes(4, "big")
    return signed(first) + b"".join(full_crc32(SIZE, number) for number in range(1, pages))


def signed(page: bytearray) -> bytes:
    return bytes(page[:-4]) + crc32c(bytes(page[:-4]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "orders.frm").write_bytes(b"definition")
    (tmp_path / "shop" / "orders.ibd").write_bytes(tablespace())
    return tmp_path


def copied(folder: Path, change: Callable[[], object] | None = None) -> list[Record]:
    """Copy the table; ``change`` runs once its first bytes were read."""
    found: list[Record] = []
    for record in QuietReader(folder).copy(NAME, look_at(folder, ["shop"])[NAME]):
        found.append(record)
        if change is not None and isinstance(record, Data):
            change()
            change = None
    return found


def test_both_files_come_whole(folder: Path) -> None:
    reader, look = QuietReader(folder), look_at(folder, ["shop"])[NAME]
    records = list(reader.copy(NAME, look))
    contents: dict[int, bytes] = {}
    for record in records:
        if isinstance(record, Data):
            contents[record.file] = contents.get(record.file, b"") + bytes(record.payload)
    assert contents == {1: tablespace(), 2: b"definition"}
    opened = [record.path for record in records if isinstance(record, FileOpened)]
    assert opened == ["shop/orders.ibd", "shop/orders.frm"]
    assert [r.size for r in records if isinstance(r, FileClosed)] == [5 * SIZE, 10]
    assert (reader.files, reader.numbers) == ({NAME: (1, 2)}, 2)


def test_large_files_come_in_pieces(folder: Path) -> None:
    pages = PIECE_BYTES // SIZE + 3
    (folder / "shop" / "orders.ibd").write_bytes(tablespace(pages))
    pieces = [len(record.payload) for record in copied(folder) if isinstance(record, Data)]
    assert pieces == [PIECE_BYTES, 3 * SIZE, len(b"definition")]


def refused(folder: Path, change: Callable[[], object] | None = None) -> tuple[str, list[Record]]:
    found: list[Record] = []
    with pytest.raises(NotQuiet) as raised:
        for record in QuietReader(folder).copy(NAME, look_at(folder, ["shop"])[NAME]):
            found.append(record)
            if change is not None and isinstance(record, Data):
                change()
                change = None
    return str(raised.value), found


def left(records: list[Record]) -> set[int]:
    """Return the files that the archive would have."""
    opened = {record.file for record in records if isinstance(record, FileOpened)}
    return opened - {record.file for record in records if isinstance(record, FileRemoved)}


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.open("r+b").write(b"x"),
        lambda path: path.open("ab").write(bytes(SIZE)),
        lambda path: os.utime(path),
        lambda path: os.chmod(path, 0o640),
    ],
)
def test_a_file_that_changes_while_it_is_read_leaves_nothing(
    folder: Path, change: Callable[[Path], object]
) -> None:
    why, records = refused(folder, lambda: change(folder / "shop" / "orders.ibd"))
    assert why == "it was changed while it was copied"
    assert left(records) == set()


def test_a_definition_that_changes_takes_the_rows_with_it(folder: Path) -> None:
    why, records = refused(folder, lambda: (folder / "shop" / "orders.frm").write_bytes(b"other"))
    assert why in {"it was changed while it was copied", "it became shorter while it was copied"}
    assert len([r for r in records if isinstance(r, FileRemoved)]) == 2
    assert left(records) == set()


def test_a_file_put_in_its_place_is_not_the_one_that_was_marked(folder: Path) -> None:
    look = look_at(folder, ["shop"])[NAME]
    path = folder / "shop" / "orders.ibd"
    path.rename(folder / "shop" / "old.ibd")
    path.write_bytes(tablespace())
    with pytest.raises(NotQuiet, match="was changed"):
        list(QuietReader(folder).copy(NAME, look))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda raw: raw[:100] + b"x" + raw[101:], "its first page is not whole"),
        (lambda raw: raw[: SIZE + 100] + b"x" + raw[SIZE + 101 :], "page 1: its checksum"),
        (lambda raw: raw[:SIZE] + raw[2 * SIZE :], r"page 1: page 2 of space 77 is in its place"),
        (lambda raw: raw + b"x", "its size is not one of whole pages"),
        (lambda raw: b"", "its first page is not whole"),
    ],
)
def test_a_torn_page_is_left_to_the_tool(
    folder: Path, spoil: Callable[[bytes], bytes], why: str
) -> None:
    (folder / "shop" / "orders.ibd").write_bytes(spoil(tablespace()))
    reason, records = refused(folder)
    assert why in reason
    assert left(records) == set()


def test_an_encrypted_table_is_left_to_the_tool(folder: Path) -> None:
    first = bytearray(tablespace(1))
    info = b"s\x0e\x0cREt" + bytes([1, 16]) + bytes(16) + bytes(4) + bytes(4) + bytes([1])
    first[400 : 400 + len(info)] = info
    (folder / "shop" / "orders.ibd").write_bytes(signed(first))
    assert refused(folder)[0] == "it is encrypted"


def test_nothing_is_followed_by_a_link(folder: Path, tmp_path: Path) -> None:
    inside = folder / "shop"
    (inside / "linked.frm").write_bytes(b"x")
    (inside / "linked.ibd").symlink_to(inside / "orders.ibd")
    (folder / "other").symlink_to(inside)
    looks = look_at(folder, ["shop"])
    assert looks["shop.linked"].files.keys() == {".frm", ".ibd (no file)"}
    assert list_schemas(folder) == ["shop"]
    look = looks[NAME]
    (inside / "orders.ibd").unlink()
    (inside / "orders.ibd").symlink_to(inside / "linked.frm")
    with pytest.raises(NotQuiet):
        list(QuietReader(folder).copy(NAME, look))


def test_a_schema_on_a_mount_of_its_own_is_left_to_the_tool(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list_schemas(folder) == ["shop"]
    status = list(folder.stat())
    status[stat.ST_DEV] += 1
    monkeypatch.setattr(Path, "stat", lambda _path: os.stat_result(status))
    assert list_schemas(folder) == []


def test_a_folder_that_has_gone_has_no_tables(folder: Path) -> None:
    assert look_at(folder, ["gone"]) == {}


def test_ids_are_read_from_the_files_as_they_are_now(folder: Path) -> None:
    looks = look_at(folder, ["shop"])
    assert looks[NAME].space_id is None
    found = with_identities(folder, looks, [NAME, "shop.gone"])
    assert {name: look.space_id for name, look in found.items()} == {NAME: SPACE}
    (folder / "shop" / "orders.ibd").unlink()
    gone = with_identities(folder, looks, [NAME])[NAME]
    assert (gone.space_id, gone.generation) == (None, None)


def test_another_file_under_the_same_inode_number_is_another_one(folder: Path) -> None:
    def identity() -> tuple[int | None, int | None]:
        look = with_identities(folder, look_at(folder, ["shop"]), [NAME])[NAME]
        return look.space_id, look.generation

    before = identity()
    if before[1] is None:
        pytest.skip("the file system of the tests has no generations of inodes")
    path = folder / "shop" / "orders.ibd"
    with path.open("r+b") as file:
        file.seek(SIZE)
        file.write(b"x")
    assert identity() == before
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    assert identity() == (SPACE, identity()[1]) != before
