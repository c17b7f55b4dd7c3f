"""What a source confirmed to its clients until it was killed."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pymysql

from tests.live.binlog_source import BinlogSource

WRITERS = 4


def written_until_killed(source: BinlogSource, *, seconds: float, name: str = "") -> list[bytes]:
    """Commit in four threads, kill the server meanwhile, and return what it had confirmed."""
    confirmed: list[bytes] = []

    def write(writer: int) -> None:
        with suppress(pymysql.err.Error), source.connect() as root, root.cursor() as cursor:
            for number in range(100_000):
                token = f"<{name}{writer}.{number}>"
                cursor.execute("INSERT INTO shop.lines (t) VALUES (%s)", (token,))
                root.commit()
                confirmed.append(token.encode())

    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for each in writers:
        each.start()
    time.sleep(seconds)
    source.server.kill()
    for each in writers:
        each.join()
    return confirmed
