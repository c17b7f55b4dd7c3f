"""A client that writes to a source all the time: small, large, with rotations."""

from __future__ import annotations

import random
import threading

from tests.live.binlog_source import BinlogSource

# One packet, and about as much.
PACKET, AROUND = 1 << 24, 200


class Writer:
    """Writes until the context is left."""

    def __init__(self, source: BinlogSource, seed: int, *, huge: float = 0.002) -> None:
        """``huge``: how many of the transactions do not fit into one packet."""
        self._source, self._chance, self._huge = source, random.Random(seed), huge
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        with self._source.connect() as connection, connection.cursor() as cursor:
            while not self._over.wait(0.005):
                size = self._chance.randrange(100, 5000)
                if self._chance.random() < self._huge:
                    size = huge_size(self._chance)
                cursor.execute("INSERT INTO shop.lines (t) VALUES (REPEAT('x', %s))", (size,))
                connection.commit()
                if self._chance.random() < 0.02:
                    cursor.execute("FLUSH BINARY LOGS")


def huge_size(chance: random.Random) -> int:
    """Return a size of a row whose event is about as long as one packet can be."""
    return PACKET + chance.randrange(-AROUND, AROUND)
