"""Is a received file the source's, and is nothing else ever written into it?"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from backups.binlogs.dump.errors import StreamEnd, StreamEnded
from backups.binlogs.dump.spool import SpoolWriter, StoredPiece
from backups.binlogs.dump.tail import read_tail
from backups.binlogs.events.header import EventType
from backups.binlogs.events.transactions import TransactionTracker
from backups.exceptions import BinlogDamaged
from tests.backups.binlogs.dump.wire import artificial_rotate, heartbeat, views
from tests.backups.binlogs.made import (
    description,
    event,
    events_of,
    file_of,
    mariadb_gtid,
    mysql_gtid,
    query,
    real,
    rotate,
    track,
    xid,
)

FILE = "bin.000001"
REAL = ["mysql-formats", "mysql-statements", "mariadb-formats", "mariadb-statements"]
TRANSACTION = (mysql_gtid(1, 5_000_000), query(b"BEGIN"), event(19, b"map" * 9), xid())


def sent(name: str) -> bytes:
    """Return a real file as a server sends it: not in use."""
    content = real(name)
    return content[:21] + bytes([content[21] & ~1]) + content[22:]


def bank(count: int) -> bytes:
    parts = [part for n in range(count) for part in (mysql_gtid(n + 1, n), *TRANSACTION[1:])]
    return file_of(*parts)


def receive(folder: Path, content: bytes, *, at: int = 4) -> SpoolWriter:
    """Receive a file as a server sends it from an offset on."""
    tail = read_tail(folder / FILE) if (folder / FILE).exists() else None
    writer = SpoolWriter(folder, FILE, at, tail)
    first = [artificial_rotate(FILE, at)]
    if at > 4:
        first.append(bytes(views(content)[0]))
    writer.add([memoryview(each) for each in first])
    writer.add(views(content, start=at))
    return writer


@pytest.mark.parametrize("name", REAL)
def test_a_received_file_is_the_file(tmp_path: Path, name: str) -> None:
    content = sent(name)
    writer = receive(tmp_path, content)
    writer.close()
    assert (tmp_path / FILE).read_bytes() == content
    assert writer.durable.position == len(content)
    assert writer.durable.boundary == track(content)[1].last_boundary


@pytest.mark.parametrize("name", REAL)
def test_it_continues_from_wherever_it_was_cut(tmp_path: Path, name: str) -> None:
    content, chance = sent(name), random.Random(name)
    for _ in range(15):
        cut = chance.randrange(len(content))
        rubbish = chance.randbytes(chance.choice([0, 7, 400]))
        (tmp_path / FILE).write_bytes(content[:cut] + rubbish)
        tail = read_tail(tmp_path / FILE)
        receive(tmp_path, content, at=tail.last_transaction).close()
        assert (tmp_path / FILE).read_bytes() == content


def without_ends(content: bytes) -> bytes:
    """Return a MariaDB's file as 11.4 writes it: in the middle of transactions no event has its
    end."""
    changed, tracker = bytearray(content), TransactionTracker(checksummed=True)
    for header, whole, start in events_of(content):
        inside, ended = tracker.inside, tracker.feed(header, whole, start)
        if inside and ended is None and tracker.inside:
            struct.pack_into("<I", changed, start + 13, 0)
            end = start + header.size - 4
            struct.pack_into("<I", changed, end, zlib.crc32(changed[start:end]))
    return bytes(changed)


@pytest.mark.parametrize("name", ["mariadb-formats", "mariadb-statements"])
def test_inside_a_transaction_a_mariadb_may_omit_where_events_end(
    tmp_path: Path, name: str
) -> None:
    content, chance = without_ends(sent(name)), random.Random(name)
    assert content != sent(name)
    receive(tmp_path, content).close()
    assert (tmp_path / FILE).read_bytes() == content
    assert read_tail(tmp_path / FILE).end == len(content)
    for _ in range(5):
        (tmp_path / FILE).write_bytes(content[: chance.randrange(len(content))])
        tail = read_tail(tmp_path / FILE)
        receive(tmp_path, content, at=tail.last_transaction).close()
        assert (tmp_path / FILE).read_bytes() == content


def test_nowhere_else_an_event_may_omit_its_end(tmp_path: Path) -> None:
    content = bytearray(bank(1))
    at = len(file_of(mysql_gtid(1, 0), *TRANSACTION[1:2]))
    struct.pack_into("<I", content, at + 13, 0)
    end = at + struct.unpack_from("<I", content, at + 9)[0] - 4
    struct.pack_into("<I", content, end, zlib.crc32(content[at:end]))
    with pytest.raises(BinlogDamaged, match="the end 0"):
        receive(tmp_path, bytes(content))


def test_what_is_made_for_the_stream_is_left_out(tmp_path: Path) -> None:
    content = bank(1)
    writer = SpoolWriter(tmp_path, FILE, 4, None)
    stream = [artificial_rotate(FILE), *views(content), heartbeat(len(content))]
    writer.add([memoryview(bytes(each)) for each in stream])
    writer.close()
    assert (tmp_path / FILE).read_bytes() == content


def test_a_mariadb_repeats_how_it_encrypts_in_front_of_the_middle(tmp_path: Path) -> None:
    begun = event(EventType.MARIADB_START_ENCRYPTION, b"\x01\x01\0\0\0" + b"n" * 12)
    content = file_of(begun, *TRANSACTION, *TRANSACTION)
    receive(tmp_path, content[: len(file_of(begun, *TRANSACTION))]).close()
    tail = read_tail(tmp_path / FILE)
    writer = SpoolWriter(tmp_path, FILE, tail.last_transaction, tail)
    # As it is made, it says of no place that it ends there.
    first = [artificial_rotate(FILE, tail.last_transaction), bytes(views(content)[0]), begun]
    writer.add([memoryview(each) for each in first])
    writer.add(views(content, start=tail.last_transaction))
    writer.close()
    assert (tmp_path / FILE).read_bytes() == content


def test_the_next_file_begins_where_the_source_says(tmp_path: Path) -> None:
    content = file_of(*TRANSACTION, rotate())
    writer = receive(tmp_path, content)
    assert writer.tail() is not None
    assert read_tail(tmp_path / FILE).complete
    writer.add([memoryview(artificial_rotate("bin.000002")), *views(bank(2))])
    writer.close()
    assert (tmp_path / "bin.000002").read_bytes() == bank(2)
    assert (writer.durable.file, writer.durable.position) == ("bin.000002", len(bank(2)))


def test_what_is_known_in_memory_is_what_the_file_says(tmp_path: Path) -> None:
    for content in (bank(3), sent("mariadb-formats"), bank(2)[:-31], file_of()):
        (tmp_path / FILE).unlink(missing_ok=True)
        writer = receive(tmp_path, bytes(content[: sum_of_whole(content)]))
        writer.close()
        assert writer.tail() == read_tail(tmp_path / FILE)


def sum_of_whole(content: bytes) -> int:
    """Return the end of the last whole event."""
    ends = [at + header.size for header, _, at in events_of(content)]
    return max(end for end in ends if end <= len(content))


def test_other_bytes_in_the_overlap_are_another_history(tmp_path: Path) -> None:
    receive(tmp_path, bank(3)).close()
    other = bank(2) + b"".join(bytes(e) for e in views(bank(3), start=len(bank(2))))
    changed = file_of(*TRANSACTION, *TRANSACTION, mysql_gtid(9, 9), *TRANSACTION[1:])
    assert len(changed) == len(other)
    with pytest.raises(StreamEnded) as ended:
        receive(tmp_path, changed, at=read_tail(tmp_path / FILE).last_transaction)
    assert ended.value.end is StreamEnd.OTHER_HISTORY
    assert (tmp_path / FILE).read_bytes() == bank(3)


def test_a_source_with_less_is_behind_and_nothing_is_cut(tmp_path: Path) -> None:
    receive(tmp_path, bank(3)).close()
    writer = receive(tmp_path, bank(2))
    with pytest.raises(StreamEnded) as ended:
        writer.add([memoryview(artificial_rotate("bin.000002"))])
    writer.close()
    assert ended.value.end is StreamEnd.BEHIND
    assert (tmp_path / FILE).read_bytes() == bank(3)


@pytest.mark.parametrize("same", [True, False])
def test_stored_pieces_must_arrive_again_as_they_were(tmp_path: Path, same: bool) -> None:
    content = bank(3)
    middle = len(bank(2))
    digests = [hashlib.sha256(part).hexdigest() for part in (content[:middle], content[middle:])]
    stored = [
        StoredPiece(0, middle, digests[0]),
        StoredPiece(middle, len(content), digests[1] if same else digests[0]),
    ]
    writer = SpoolWriter(tmp_path, FILE, 4, None, stored)
    if same:
        writer.add(views(content))
        assert writer.position == len(content)
        return
    with pytest.raises(StreamEnded, match="other bytes than were stored") as ended:
        writer.add(views(content))
    assert ended.value.end is StreamEnd.OTHER_HISTORY
    assert writer.durable.position == 4


def test_a_file_between_that_is_missing_ends_it(tmp_path: Path) -> None:
    writer = receive(tmp_path, bank(1))
    with pytest.raises(StreamEnded) as ended:
        writer.add([memoryview(artificial_rotate("bin.000003"))])
    assert ended.value.end is StreamEnd.MISSING


def test_the_name_of_a_file_cannot_leave_the_folder(tmp_path: Path) -> None:
    writer = receive(tmp_path, bank(1))
    with pytest.raises(BinlogDamaged):
        writer.add([memoryview(artificial_rotate("../bin.000002"))])


@pytest.mark.parametrize("at", [13, 40, -1, -5])
def test_a_changed_event_is_not_written(tmp_path: Path, at: int) -> None:
    content = bank(1)
    changed = bytearray(views(content)[-1])
    changed[at if at < len(changed) else 0] ^= 1
    writer = SpoolWriter(tmp_path, FILE, 4, None)
    writer.add(views(content)[:-1])
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(BinlogDamaged, match=FILE):
        writer.add([memoryview(bytes(changed))])
    assert (tmp_path / FILE).read_bytes() == before


def test_an_event_that_was_left_out_is_noticed(tmp_path: Path) -> None:
    events = views(bank(2))
    writer = SpoolWriter(tmp_path, FILE, 4, None)
    with pytest.raises(BinlogDamaged, match="names"):
        writer.add(events[:2] + events[3:])


def test_a_file_without_checksums_is_received_by_place(tmp_path: Path) -> None:
    first = bytearray(description(algorithm=0))
    first[13:17] = struct.pack("<I", 4 + len(first))
    first[-4:] = zlib.crc32(first[:-4]).to_bytes(4, "little")
    bare = mariadb_gtid(1, flags=1)[:-4]
    end = 4 + len(first) + len(bare)
    bare = bare[:9] + struct.pack("<II", len(bare), end) + bare[17:]
    writer = SpoolWriter(tmp_path, FILE, 4, None)
    writer.add([memoryview(bytes(first)), memoryview(bare)])
    writer.close()
    assert (tmp_path / FILE).read_bytes() == b"\xfebin" + first + bare
    assert read_tail(tmp_path / FILE).end == end


@pytest.mark.parametrize("name", ["../bin.000001", "/tmp/bin.000001", "lock", "bin", ".bin.000001"])
def test_a_forged_name_is_never_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(BinlogDamaged, match="is not the name of a binlog"):
        SpoolWriter(tmp_path / "spool", name, 4, None)
    assert list(tmp_path.iterdir()) == []


def test_an_event_without_a_whole_header_ends_the_stream(tmp_path: Path) -> None:
    writer = receive(tmp_path, bank(1))
    for size in (0, 18):
        with pytest.raises(BinlogDamaged, match=f"an event of {size} bytes arrived"):
            writer.add([memoryview(bytes(size))])
    writer.close()


@pytest.mark.parametrize("is_new", [True, False])
def test_a_full_disk_takes_no_descriptor_for_good(
    tmp_path: Path, is_new: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    if not is_new:
        (tmp_path / FILE).write_bytes(b"\xfe")
    tail = None if is_new else read_tail(tmp_path / FILE)
    monkeypatch.setattr(os, "write", full)
    monkeypatch.setattr(os, "pwrite", full)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="No space"):
        SpoolWriter(tmp_path, FILE, 4, tail)
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_a_failed_sync_left_open_is_received_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, part = bank(9), len(bank(4))
    writer = receive(tmp_path, content[:part])
    writer.sync()
    durable = writer.durable
    writer.add(views(content, start=part))
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", failing)
        with pytest.raises(OSError, match="lost"):
            writer.sync()
    # It works again, and says nothing of what was lost.
    writer.close()
    assert writer.durable == durable
    assert (tmp_path / FILE).read_bytes() == content[:part]
    tail = read_tail(tmp_path / FILE)
    receive(tmp_path, content, at=tail.last_transaction).close()
    assert (tmp_path / FILE).read_bytes() == content


def failing(descriptor: int) -> None:
    raise OSError(errno.EIO, "lost")


def test_a_file_that_shrinks_while_it_is_read_ends_no_process(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(bank(20_000))
    ended = subprocess.run([sys.executable, "-c", SHRINK, str(tmp_path / FILE)], check=False)
    assert ended.returncode == 0


# A disk that fails does the same to a mapping: the process gets a signal.
SHRINK = """
import os, pathlib, sys
from backups.binlogs.dump import tail
class Tracker(tail.TransactionTracker):
    def feed(self, *event):
        os.truncate(path, 0)
        return super().feed(*event)
path = pathlib.Path(sys.argv[1])
tail.TransactionTracker = Tracker
tail.read_tail(path)
"""
