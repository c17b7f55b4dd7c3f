"""Why did a server stop sending its binary log, and what is to be done?"""

from __future__ import annotations

import enum
import re

from backups.exceptions import MooringError


class StreamEnd(enum.Enum):
    """What the end of a stream means for the archive."""

    LOST = "lost"  # the connection; it is tried again
    # The source has another history than the archive: a new timeline begins.
    OTHER_HISTORY = "other history"
    MISSING = "missing"  # the file is not there: purged, reset or another server
    BEYOND = "beyond"  # the requested place is not in the source's file
    BEHIND = "behind"  # the source has less than the archive
    REFUSED = "refused"  # a person must act
    STOPPED = "stopped"  # by Mooring


class StreamEnded(MooringError):
    """The stream ended, for the reason of ``end``."""

    def __init__(self, end: StreamEnd, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.end = end


# Of a server's own words; its messages have 512 bytes at most.
_LONGEST_TEXT = 512
# Of the server's error: its number (0: any), words of its text, what it means, a hint.
_MEANINGS: tuple[tuple[int, str, StreamEnd, str], ...] = (
    (1236, r"could not find (the )?first log file|could not find next log|could not open log file",
     StreamEnd.MISSING, ""),
    (1236, r"position (is )?> file size|impossible position", StreamEnd.BEYOND, ""),
    (1236, r"same server[_ ]?(uuid|id)|same `?server_uuid", StreamEnd.REFUSED,
     "Another client receives with the identity of this archive: end the other Mooring, or disable "
     "and enable the archive to get another identity."),
    (4052, r"", StreamEnd.REFUSED,
     "Another client receives with the server id of this archive: end the other Mooring, or "
     "disable and enable the archive to get another identity."),
    (1236, r"checksum", StreamEnd.REFUSED, "Set binlog_checksum to CRC32 or NONE on the source."),
    (1236, r"truncated in the middle|max_allowed_packet|bogus data|event read from binlog",
     StreamEnd.OTHER_HISTORY, ""),
    (1236, r"binary log is not open", StreamEnd.REFUSED,
     "Start the source with log_bin; without binary logs there is nothing to archive."),
    (1236, r"purged", StreamEnd.MISSING, ""),
    (1227, r"", StreamEnd.REFUSED, "Grant the account REPLICATION SLAVE on *.*."),
    (1045, r"", StreamEnd.REFUSED, "Grant the account REPLICATION SLAVE on *.*."),
)  # fmt: skip


def explain_server_error(code: int, text: str) -> StreamEnded:
    """Return the error of a server as what it means; unknown ones count as a lost connection."""
    # It gets into a row, a log and a terminal.
    text = "".join(each if each.isprintable() else " " for each in text[:_LONGEST_TEXT])
    for number, words, end, hint in _MEANINGS:
        if code == number and re.search(words, text, re.IGNORECASE):
            return StreamEnded(end, f"the source ended the stream: {text} ({code})", hint=hint)
    return StreamEnded(StreamEnd.LOST, f"the source ended the stream: {text} ({code})")
