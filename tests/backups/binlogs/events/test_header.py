"""The header of an event, its checksum, and the first event of a file."""

from __future__ import annotations

import struct
import zlib

import pytest

from backups.binlogs.events.header import (
    FLAG_IN_USE,
    HEADER,
    EventType,
    checksum_fits,
    clear_in_use,
    read_format_description,
    read_header,
)
from backups.exceptions import BinlogDamaged


def event(kind: int, body: bytes, *, flags: int = 0, end: int = 500) -> bytes:
    """Return a whole event with its checksum."""
    size = HEADER.size + len(body) + 4
    content = HEADER.pack(1_700_000_000, kind, 7, size, end, flags) + body
    return content + zlib.crc32(content).to_bytes(4, "little")


def description(algorithm: int = 1, *, flags: int = 0) -> bytes:
    version = b"10.11.18-MariaDB-log".ljust(50, b"\0")
    body = struct.pack("<H", 4) + version + bytes(4) + b"\x13" + bytes(40) + bytes([algorithm])
    return event(EventType.FORMAT_DESCRIPTION, body, flags=flags)


class TestReadHeader:
    def test_reads_every_field(self) -> None:
        header = read_header(event(EventType.XID, bytes(8), flags=3))
        assert header == (1_700_000_000, EventType.XID, 7, 31, 500, 3)

    def test_refuses_a_piece_of_a_header(self) -> None:
        with pytest.raises(BinlogDamaged, match="no whole header"):
            read_header(bytes(18))

    def test_refuses_a_size_below_the_header(self) -> None:
        with pytest.raises(BinlogDamaged, match="claims to be 5 bytes"):
            read_header(HEADER.pack(0, 2, 1, 5, 0, 0))


class TestChecksum:
    def test_every_flipped_bit_is_found(self) -> None:
        whole = event(EventType.XID, bytes(8))
        assert checksum_fits(whole)
        for bit in range(len(whole) * 8):
            changed = bytearray(whole)
            changed[bit // 8] ^= 1 << bit % 8
            assert not checksum_fits(changed)

    def test_the_flag_of_a_file_in_use_is_not_part_of_it(self) -> None:
        on_disk = bytearray(description())
        on_disk[17] |= FLAG_IN_USE
        assert not checksum_fits(on_disk)
        assert checksum_fits(on_disk, in_use=True)
        assert clear_in_use(bytes(on_disk)) == description()


class TestFormatDescription:
    def test_says_whether_events_carry_a_checksum(self) -> None:
        assert read_format_description(description()).checksummed
        assert not read_format_description(description(0)).checksummed

    def test_names_the_version(self) -> None:
        assert read_format_description(description()).server_version == "10.11.18-MariaDB-log"

    def test_one_changed_bit_never_switches_checksums_off(self) -> None:
        for bit in range(len(description()) * 8):
            changed = bytearray(description())
            changed[bit // 8] ^= 1 << bit % 8
            if bit == 17 * 8:
                continue  # in use: not part of the checksum
            with pytest.raises(BinlogDamaged):
                read_format_description(changed)

    @pytest.mark.parametrize("content", [b"", bytes(60), description(2)])
    def test_refuses_what_is_not_one(self, content: bytes) -> None:
        with pytest.raises(BinlogDamaged):
            read_format_description(content)
