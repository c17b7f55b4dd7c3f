"""A receiver in a thread of a test, and what is asked of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from backups.binlog_archive.receiving import process as receivers
from backups.binlog_archive.receiving import receiver
from backups.binlog_archive.receiving.process import ReceiverProcess
from backups.models import Instance
from backups.models.binlog import BinlogArchive, BinlogTimeline
from tests.live.binlog_source import BinlogSource


def archive_of(instance: Instance, *, acknowledge: bool = False) -> BinlogArchive:
    return BinlogArchive.objects.create(
        instance=instance, server_id=4_000_000_000 + instance.pk, acknowledge=acknowledge
    )


@contextmanager
def receiving() -> Iterator[ReceiverProcess]:
    """Receive in a thread, as the process does, but look and connect again sooner."""
    process = ReceiverProcess()

    def run() -> None:
        try:
            process.run()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(receivers, "LOOK_SECONDS", 0.1)
        patch.setattr(receiver, "FIRST_PAUSE_SECONDS", 0.2)
        thread.start()
        try:
            yield process
        finally:
            process.stop()
            thread.join()


def present() -> BinlogTimeline:
    return BinlogTimeline.objects.get(ended_at__isnull=True)


def caught_up(source: BinlogSource) -> Callable[[], bool]:
    """Return whether everything that the source has is received and on the row."""

    def question() -> bool:
        name, size = source.files()[-1]
        row = BinlogArchive.objects.get()
        return (row.received_file, row.received_position) == (name, size)

    return question
