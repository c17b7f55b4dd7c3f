"""Receives the binlogs of every instance that has an archive, until it is ended."""

from __future__ import annotations

import signal
from typing import Any

from backups.binlog_archive.receiving.process import ReceiverProcess
from backups.management.output import Answer, MooringCommand


class Command(MooringCommand):
    help = "Receive the binlogs of every instance with a binlog archive, until ended by a signal."

    def answer(self, options: dict[str, Any]) -> Answer:
        process = ReceiverProcess()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: process.stop())
        process.run()
        return Answer({"ended": True}, ["receiving binlogs ended"])
