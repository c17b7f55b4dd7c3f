"""Keys in a clone's records: each is wrapped wherever it lies, or there is no backup."""

from __future__ import annotations

import hashlib
import json

import google_crc32c
import pytest

from backups.archive.records import Data
from backups.clone_protocol import CloneRecord, FileAnnounced, FileChanged, FileFlag, State
from backups.engines.clone.key_wrapping import KeyWrapping
from backups.engines.clone.mapping import ArchiveMapping
from backups.exceptions import EngineError
from backups.innodb.encryption import (
    INFO_BYTES,
    REDO_OFFSET,
    MasterKey,
    build_encrypted_first_page,
    build_info,
    info_offset,
    unwrap,
)
from backups.innodb.pages import is_whole, page_size_of
from backups.programs.compatibility import Version
from tests.backups.engines.clone.test_mapping import DONE, FLAGS, PAGE, block, file, mapped, started

AES = FileFlag.AES
SECRET = hashlib.sha512(b"a key").digest()
SERVER = "d5416f22-e68c-11f1-8338-02fc00000001"
OPEN = b"lCC" + bytes(4) + SERVER.encode() + SECRET + google_crc32c.value(SECRET).to_bytes(4, "big")
DONORS = build_info(SECRET, MasterKey(bytes(32), SERVER))
SIZES = [0, 3 << 6, 4 << 6, 6 << 6, 7 << 6, 4 << 1]


def first_page(info: bytes, fsp_flags: int = FLAGS) -> bytes:
    return build_encrypted_first_page(7, fsp_flags, 90704, info)


def change(
    index: int, flags: FileFlag, *, deleted: bool = False, state: State = State.PAGE_COPY
) -> FileChanged:
    return FileChanged(state, index, deleted, "", PAGE, FLAGS, flags)


def master_of(keys: KeyWrapping) -> MasterKey:
    (element,) = json.loads(keys.keyring() or b"")["elements"]
    server, _, number = element["data_id"].removeprefix("INNODBKey-").rpartition("-")
    return MasterKey(bytes.fromhex(element["data"]), server, int(number))


def assert_wrapped(content: bytes, offset: int, keys: KeyWrapping) -> None:
    assert SECRET[:16] not in content
    assert unwrap(content[offset : offset + INFO_BYTES], master_of(keys)) == SECRET


@pytest.mark.parametrize("fsp_flags", SIZES)
@pytest.mark.parametrize("more", [b"", b"the next pages"])
def test_a_key_in_page_0(fsp_flags: int, more: bytes) -> None:
    page = first_page(OPEN, fsp_flags)
    announced = file(0, "shop/secret.ibd", flags=AES, fsp_flags=fsp_flags)
    sent = block(0, 0, page + more, state=State.PAGE_COPY)
    made, mapping = mapped([announced, started(State.PAGE_COPY), sent, DONE])
    written = next(bytes(wrapped.payload) for wrapped in made if isinstance(wrapped, Data))
    size = page_size_of(fsp_flags)
    assert_wrapped(written, info_offset(size), mapping.keys)
    assert is_whole(written[: len(page)], compressed=size.compressed)
    assert written[len(page) :] == more
    assert mapping.keys.file_count == 1


def test_what_is_under_the_donors_master_key_waits_for_the_page_copy() -> None:
    pages = first_page(DONORS) + b"more"
    begun: list[CloneRecord] = [file(0, "shop/secret.ibd", flags=AES), block(0, 0, pages)]
    made, mapping = mapped(begun)
    assert made[1] == Data(1, 0, memoryview(pages))
    assert mapping.keys.keyring() is None
    with pytest.raises(EngineError, match=r"no key for shop/secret\.ibd \(1 files in all\)"):
        list(mapping.take(DONE))
    sent = block(0, 0, first_page(OPEN), state=State.PAGE_COPY)
    _, mapping = mapped([*begun, started(State.PAGE_COPY), sent, DONE])
    assert mapping.keys.keyring() is not None


def test_other_pages_are_left_alone() -> None:
    page = first_page(OPEN)
    made, mapping = mapped(
        [
            file(0, "shop/a.ibd"),
            block(0, PAGE, page),
            file(1, "shop/b.ibd"),
            block(1, 0, bytes(PAGE)),
            # Too short to be page 0.
            block(1, 0, page[:-1]),
        ]
    )
    payloads = [bytes(wrapped.payload) for wrapped in made if isinstance(wrapped, Data)]
    assert payloads == [page, bytes(PAGE), page[:-1]]
    assert mapping.keys.keyring() is None


@pytest.mark.parametrize("length", [2048, 4096, REDO_OFFSET + INFO_BYTES])
def test_a_key_in_a_redo_header(length: int) -> None:
    header = bytearray(bytes(range(256)) * 16)[:length]
    header[REDO_OFFSET : REDO_OFFSET + INFO_BYTES] = OPEN
    announced = file(0, "#innodb_redo/#ib_redo0", 4096, state=State.REDO_COPY, flags=AES)
    later = block(0, 2048, b"redo" * 512, state=State.REDO_COPY)
    begun = block(0, 0, bytes(header), state=State.REDO_COPY)
    made, mapping = mapped([started(State.REDO_COPY), announced, later, begun, DONE])
    first, second = [bytes(wrapped.payload) for wrapped in made if isinstance(wrapped, Data)]
    assert first == bytes(later.payload)
    assert_wrapped(second, REDO_OFFSET, mapping.keys)
    assert second[:REDO_OFFSET] == header[:REDO_OFFSET]
    assert second[REDO_OFFSET + INFO_BYTES :] == header[REDO_OFFSET + INFO_BYTES :]


def test_redo_whose_key_does_not_come() -> None:
    announced = file(0, "#innodb_redo/#ib_redo0", 4096, state=State.REDO_COPY, flags=AES)
    with pytest.raises(EngineError, match="no key for #innodb_redo/#ib_redo0"):
        mapped([announced, block(0, 0, bytes(2048), state=State.REDO_COPY), DONE])


def made_meanwhile(fsp_flags: int = FLAGS) -> FileAnnounced:
    return FileAnnounced(
        *(State.PAGE_COPY, 4, 9, "shop/new.ibd", PAGE, PAGE, fsp_flags, 4096),
        *(AES | FileFlag.KEY, True, SECRET[:32], SECRET[32:]),
    )


@pytest.mark.parametrize("fsp_flags", SIZES)
def test_a_key_that_comes_with_a_file_made_meanwhile(fsp_flags: int) -> None:
    made, mapping = mapped([made_meanwhile(fsp_flags), DONE])
    assert isinstance(made[1], Data)
    page, size = bytes(made[1].payload), page_size_of(fsp_flags)
    assert len(page) == size.physical
    assert is_whole(page, compressed=size.compressed)
    assert_wrapped(page, info_offset(size), mapping.keys)


def test_all_files_of_a_backup_have_one_master_key() -> None:
    sent = block(0, 0, first_page(OPEN), state=State.PAGE_COPY)
    made, mapping = mapped([file(0, "a.ibd", flags=AES), sent, made_meanwhile(), DONE])
    pages = [bytes(wrapped.payload) for wrapped in made if isinstance(wrapped, Data)]
    assert len(pages) == 2
    for page in pages:
        assert_wrapped(page, 10390, mapping.keys)


@pytest.mark.parametrize("ended", [change(0, AES, deleted=True), change(0, FileFlag(0))])
def test_a_file_that_is_gone_or_encrypted_no_more_needs_no_key(ended: FileChanged) -> None:
    _, mapping = mapped([file(0, "a.ibd", flags=AES), ended, DONE])
    assert mapping.keys.file_count == 0


def test_a_file_that_becomes_encrypted_on_the_way_needs_one() -> None:
    with pytest.raises(EngineError, match=r"no key for a\.ibd") as failure:
        mapped([file(0, "a.ibd"), change(0, AES | FileFlag.KEY), DONE])
    assert "while no encryption is being changed" in failure.value.hint


def test_a_key_that_came_damaged() -> None:
    damaged = OPEN[:-1] + b"?"
    sent = block(0, 0, first_page(damaged), state=State.PAGE_COPY)
    with pytest.raises(EngineError, match=r"a\.ibd: the key of a tablespace is damaged"):
        mapped([file(0, "a.ibd", flags=AES), sent])


@pytest.mark.parametrize(
    "second",
    [
        change(0, AES),
        change(0, FileFlag.KEY),
        made_meanwhile(),
        # Whatever the donor says of a file: where its key lies open, it counts.
        block(0, 0, first_page(OPEN)),
    ],
)
def test_no_key_goes_into_an_archive_that_hides_nothing(second: CloneRecord) -> None:
    mapping = ArchiveMapping(Version(9, 7, 4), sealed=False)
    list(mapping.take(file(0, "shop/new.ibd")))
    refused = r"encrypts shop/new\.ibd, and the repository is not"
    with pytest.raises(EngineError, match=refused) as failure:
        list(mapping.take(second))
    assert failure.value.hint == "Use an encrypted repository for this instance."
