"""A piece of a binlog, stored and read again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backups.archive.keys import KeyEncryptionKey, Keyring
from backups.binlogs.segments.facts import SegmentFacts
from backups.binlogs.segments.manifest import (
    open_segment,
    read_blob,
    rewrap_segment,
    segment_digest,
)
from backups.binlogs.segments.names import SegmentPlace, file_number, place_of_manifest
from backups.binlogs.segments.reader import SegmentReader
from backups.binlogs.segments.writer import WrittenSegment, write_segment
from backups.exceptions import (
    ArchiveError,
    BinlogDamaged,
    CopyChanged,
    KeyUnavailable,
    MooringError,
)
from backups.repositories.directory import DirectoryStore
from tests.backups.archive.stores import INSTANCE, KEYRING, make_store, never_stop
from tests.backups.binlogs.segments.pieces import INDEX, TIMELINE, facts_of

CONTENT = os.urandom(5 * 1024 * 1024) + bytes(4 * 1024 * 1024)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return make_store(tmp_path / "repository")


def put(
    store: DirectoryStore, content: bytes = CONTENT, *, encrypted: bool = True
) -> tuple[SegmentPlace, WrittenSegment]:
    facts = facts_of(content)
    key = KEYRING.current if encrypted else None
    written = write_segment(
        store, facts, [content[:100], content[100:]], index=INDEX, key=key, check=never_stop
    )
    return facts.place, written


class TestNames:
    def test_a_segment_is_found_by_its_name(self) -> None:
        place = SegmentPlace(INSTANCE, TIMELINE, "mysql-bin.000042", 67108868)
        assert place.data_name == (
            f"instances/{INSTANCE}/binlogs/{TIMELINE}/"
            "0000000042-mysql-bin.000042/0000000067108868.segment"
        )
        assert place_of_manifest(place.manifest_name) == place
        assert place_of_manifest(place.data_name) is None

    @pytest.mark.parametrize(
        "name", ["", "binlog", "../x.000001", "a/b.000001", ".000001", "b.1x", "a\0.000001"]
    )
    def test_what_is_no_binlogs_name_is_refused(self, name: str) -> None:
        with pytest.raises(BinlogDamaged, match="is not the name of a binlog"):
            file_number(name)

    def test_a_number_that_is_not_the_files_is_not_a_segment(self) -> None:
        name = SegmentPlace(INSTANCE, TIMELINE, "b.000001", 4).manifest_name
        assert place_of_manifest(name.replace("0000000001-", "0000000002-")) is None


@pytest.mark.parametrize("encrypted", [True, False])
class TestRoundTrip:
    def test_every_range_comes_back(self, store: DirectoryStore, encrypted: bool) -> None:
        place, _ = put(store, encrypted=encrypted)
        reader = SegmentReader(store, place, KEYRING)
        end = 4 + len(CONTENT)
        for start, stop in [(4, end), (4, 5), (end - 1, end), (4194303, 4194309), (9, 9)]:
            assert b"".join(reader.read(start, stop)) == CONTENT[start - 4 : stop - 4]
        assert reader.index() == INDEX
        reader.check_whole()
        reader.check_size()

    def test_every_changed_bit_is_found(self, store: DirectoryStore, encrypted: bool) -> None:
        place, _ = put(store, b"x" * 200, encrypted=encrypted)
        for name in (place.data_name, place.manifest_name):
            path = store.root / name
            good = path.read_bytes()
            for bit in range(0, len(good) * 8, 5):
                bad = bytearray(good)
                bad[bit // 8] ^= 1 << bit % 8
                path.write_bytes(bad)
                with pytest.raises(MooringError):
                    SegmentReader(store, place, KEYRING).check_whole()
            path.write_bytes(good)

    def test_a_cut_object_is_found(self, store: DirectoryStore, encrypted: bool) -> None:
        place, _ = put(store, encrypted=encrypted)
        path = store.root / place.data_name
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(ArchiveError, match="expected"):
            SegmentReader(store, place, KEYRING).check_size()


class TestWriting:
    def test_the_facts_are_in_the_manifest(self, store: DirectoryStore) -> None:
        place, written = put(store)
        manifest, _ = open_segment(read_blob(store, place.manifest_name), KEYRING)
        assert manifest.facts == facts_of(CONTENT)
        assert manifest.digest == written.digest
        stored = sum(store.size(name) for name in (place.data_name, place.manifest_name))
        assert stored == written.stored_bytes

    def test_other_bytes_than_the_facts_say_are_not_stored(self, store: DirectoryStore) -> None:
        with pytest.raises(BinlogDamaged, match="changed between two reads"):
            write_segment(store, facts_of(b"one"), [b"two"], index=b"", key=None, check=never_stop)
        assert list(store.list("instances")) == []

    def test_bytes_that_a_killed_attempt_left_are_replaced(self, store: DirectoryStore) -> None:
        place, _ = put(store)
        store.remove(place.manifest_name)
        put(store, b"another cut")
        assert b"".join(SegmentReader(store, place, KEYRING).read(4, 15)) == b"another cut"

    def test_a_stored_segment_is_never_overwritten(self, store: DirectoryStore) -> None:
        put(store)
        with pytest.raises(MooringError, match="File exists"):
            put(store, b"another cut")

    def test_nothing_is_committed_after_the_check_fails(self, store: DirectoryStore) -> None:
        def lost() -> None:
            raise RuntimeError("lease lost")

        with pytest.raises(RuntimeError, match="lease lost"):
            write_segment(store, facts_of(b"x"), [b"x"], index=b"", key=None, check=lost)
        assert list(store.list("instances")) == []


class TestIdentity:
    def test_a_segment_in_another_place_is_refused(self, store: DirectoryStore) -> None:
        place, _ = put(store)
        other = SegmentPlace(place.instance, place.timeline, place.file, 5)
        for here, there in [
            (place.data_name, other.data_name),
            (place.manifest_name, other.manifest_name),
        ]:
            store.replace(there, store.read(here))
        with pytest.raises(CopyChanged, match="manifest of another segment"):
            SegmentReader(store, other, KEYRING)

    def test_one_that_is_not_the_registered_is_refused(self, store: DirectoryStore) -> None:
        place, written = put(store)
        SegmentReader(store, place, KEYRING, written.digest)
        store.remove(place.manifest_name)
        put(store)
        with pytest.raises(CopyChanged, match="has changed since it was registered"):
            SegmentReader(store, place, KEYRING, written.digest)

    def test_without_its_key_it_does_not_open(self, store: DirectoryStore) -> None:
        place, _ = put(store)
        with pytest.raises(KeyUnavailable):
            SegmentReader(store, place, Keyring((KeyEncryptionKey(bytes(32)),)))

    def test_a_rotated_key_opens_it_and_the_digest_stays(self, store: DirectoryStore) -> None:
        place, written = put(store)
        newer = Keyring((KeyEncryptionKey(bytes(32)), *KEYRING.keys))
        blob = rewrap_segment(read_blob(store, place.manifest_name), newer)
        assert blob is not None
        assert rewrap_segment(blob, newer) is None
        store.replace(place.manifest_name, blob)
        assert segment_digest(blob)[1] == written.digest
        SegmentReader(store, place, Keyring(newer.keys[:1]), written.digest).check_whole()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("file", "../x.000001"),
        ("end", 4),
        ("start", -1),
        ("sha256", "x"),
        ("last_commit_at", "2026-03-02"),
        ("last_of_file", 1),
        ("timeline", {}),
        ("gtids_after", "a\nb"),
        ("instance", {**facts_of(b"x").as_json()["instance"], "name": "a b"}),
    ],
)
def test_facts_that_no_row_can_hold_are_refused(field: str, value: object) -> None:
    with pytest.raises(ArchiveError):
        SegmentFacts.from_json({**facts_of(b"x").as_json(), field: value})
