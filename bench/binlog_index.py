"""How fast is a binlog indexed? python -m bench.binlog_index [FILE…]; without files, forged ones.

CPU seconds count: the disk and other processes do not. Forged files have the shape of sysbench's
transactions; real ones say more.
"""

from __future__ import annotations

import struct
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backups.binlogs.events.header import HEADER, MAGIC, EventType
from backups.binlogs.index.build import build_index

CHUNK = 1 << 20
FORGED_TRANSACTIONS = 50_000
_MICROS = 1_700_000_000_000_000


@dataclass(frozen=True, slots=True)
class IndexFigures:
    """One file and what its index took."""

    name: str
    bytes: int
    transactions: int
    index_bytes: int
    cpu_seconds: float

    def line(self) -> str:
        rate = self.bytes / self.cpu_seconds / 1e6
        each = self.index_bytes / max(self.transactions, 1)
        return (
            f"{self.name}: {self.bytes / 1e6:.1f} MB, {self.transactions} transactions, "
            f"{self.cpu_seconds:.2f} s of CPU, {rate:.0f} MB/s, {each:.1f} bytes each"
        )


def measure_index(name: str, chunks: Iterator[bytes]) -> IndexFigures:
    """Index a file; what makes the chunks counts as well."""
    total = 0

    def counted() -> Iterator[bytes]:
        nonlocal total
        for chunk in chunks:
            total += len(chunk)
            yield chunk

    began = time.process_time()
    packed, summary = build_index(counted(), checksummed=True, start=0)
    took = time.process_time() - began
    return IndexFigures(name, total, summary.transactions, len(packed), took)


def file_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def forged(flavour: str, transactions: int) -> list[bytes]:
    """Return a file of transactions with four changes each, in chunks."""
    chunks, buffer = [], bytearray(MAGIC)
    for number in range(1, transactions + 1):
        buffer += _mysql_start(number) if flavour == "mysql" else _mariadb_start(number)
        for table in range(4):
            buffer += _event(EventType.TABLE_MAP, _table_map(table))
            buffer += _event(30, table.to_bytes(6, "little") + bytes(260))
        buffer += _event(EventType.XID, bytes(8))
        if len(buffer) >= CHUNK:
            chunks.append(bytes(buffer))
            buffer.clear()
    return [*chunks, bytes(buffer)]


def _mysql_start(number: int) -> bytes:
    body = struct.pack("<B16sqBqq", 0, bytes(range(16)), number, 2, 0, 1)
    body += (_MICROS + number * 900).to_bytes(7, "little") + b"\x00" * 6
    query = struct.pack("<IIBHH", 5, 0, 4, 0, 0) + b"shop\0BEGIN"
    return _event(EventType.GTID, body) + _event(EventType.QUERY, query)


def _mariadb_start(number: int) -> bytes:
    return _event(EventType.MARIADB_GTID, struct.pack("<QIB", number, 0, 0) + bytes(6))


def _table_map(number: int) -> bytes:
    name = f"orders{number}".encode()
    fixed = number.to_bytes(6, "little") + bytes(2)
    return fixed + b"\x04shop\0" + bytes([len(name)]) + name + b"\0" + bytes(12)


def _event(kind: int, body: bytes) -> bytes:
    size = HEADER.size + len(body) + 4
    content = HEADER.pack(_MICROS // 1_000_000, kind, 1, size, 0, 0) + body
    return content + zlib.crc32(content).to_bytes(4, "little")


def main(arguments: list[str]) -> int:
    if arguments:
        for path in map(Path, arguments):
            print(measure_index(path.name, file_chunks(path)).line())
        return 0
    for flavour in ("mysql", "mariadb"):
        chunks = forged(flavour, FORGED_TRANSACTIONS)
        print(measure_index(f"forged, {flavour}", iter(chunks)).line())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
