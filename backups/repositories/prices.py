"""What does it cost to store, write and read so much, by the price list of a store?

Pure. A price that nobody has entered is unknown, and so is every sum that needs it: never zero.
Requests are estimated from the sizes: an object goes up and comes back in parts of 8 MiB.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from backups.repositories.objects.clients import PART_BYTES

GIB = 1 << 30
UNKNOWN = "unknown"
# Requests for an object beside its parts: begin, look, complete, compare; and those of its lock.
WRITES_OF_OBJECT, READS_OF_OBJECT = 2, 2
WRITES_OF_LOCK, READS_OF_LOCK = 1, 2


@dataclass(frozen=True, slots=True)
class Requests:
    """How many requests write or list, and how many read."""

    writes: int = 0
    reads: int = 0


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices of one store, in one currency; None is unknown."""

    currency: str = ""
    # Of a GiB that is stored for a month.
    storage: Decimal | None = None
    # Of 1000 requests that write or list, and of 1000 that read.
    writes: Decimal | None = None
    reads: Decimal | None = None
    # Of a GiB that leaves the store.
    egress: Decimal | None = None

    @property
    def empty(self) -> bool:
        return all(each is None for each in (self.storage, self.writes, self.reads, self.egress))

    def month(self, stored_bytes: int) -> Decimal | None:
        """Return what so many bytes cost for a month."""
        return None if self.storage is None else self.storage * stored_bytes / GIB

    def writing(self, requests: Requests) -> Decimal | None:
        if self.writes is None or self.reads is None:
            return None
        return (self.writes * requests.writes + self.reads * requests.reads) / 1000

    def reading(self, read_bytes: int, requests: Requests) -> Decimal | None:
        asked = self.writing(requests)
        if asked is None or self.egress is None:
            return None
        return asked + self.egress * read_bytes / GIB

    def written(self, amount: Decimal | None) -> str:
        """Write an amount with its currency: two digits, or three of what is less than that."""
        if amount is None:
            return UNKNOWN
        digits = Decimal("0.01") if amount >= Decimal("0.095") or not amount else Decimal("0.001")
        rounded = amount.quantize(digits, ROUND_HALF_UP)
        least = f"less than {digits}" if amount and not rounded else f"{rounded:,}"
        return f"{least} {self.currency}".rstrip()


def requests_to_write(stored_bytes: int, objects: int, *, locked: bool) -> Requests:
    """Estimate the requests of a copy of so many objects."""
    writes = _parts(stored_bytes) + objects * (WRITES_OF_OBJECT + WRITES_OF_LOCK * locked)
    return Requests(writes, objects * (READS_OF_OBJECT + READS_OF_LOCK * locked))


def requests_to_read(stored_bytes: int, objects: int) -> Requests:
    """Estimate the requests that read all of a copy."""
    return Requests(reads=_parts(stored_bytes) + objects * READS_OF_OBJECT)


def _parts(stored_bytes: int) -> int:
    return -(-stored_bytes // PART_BYTES)
