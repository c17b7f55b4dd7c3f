"""Which facts are in the metadata files of a copy?

The tool writes them into its own stream. Their names changed with MariaDB 11, their content did
not. Facts are read from here and not from the log, whose wording changes.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from backups.archive.contained import read_contained
from backups.archive.records import Data, FileOpened, FileRemoved, FileRenamed, Record
from backups.engines.base import CopyFacts
from backups.engines.details import CopyDetails
from backups.engines.mariadb_backup.command import CHOSEN_OPTION
from backups.engines.mariadb_backup.shaping import SETTINGS_FILE, named_plugins
from backups.exceptions import EngineError

# Name from MariaDB 11 on, name before.
CHECKPOINTS = ("mariadb_backup_checkpoints", "xtrabackup_checkpoints")
SUMMARY = ("mariadb_backup_info", "xtrabackup_info")
BINLOG = ("mariadb_backup_binlog_info", "xtrabackup_binlog_info")
NAMES = frozenset((*CHECKPOINTS, *SUMMARY, *BINLOG, SETTINGS_FILE))
# A thousand times the usual size; anything larger is not metadata.
MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MariadbDetails(CopyDetails):
    """What is kept of the files beside what has a field in CopyFacts."""

    backup_type: str | None = None
    last_lsn: int | None = None
    uuid: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    partial: bool | None = None
    incremental: bool | None = None
    # Which plugins a restore has to load, by name: it asks before it reads the first byte.
    plugins: str | None = None
    # Whether quiet tables were copied before the tool ran, how many and how large, and how often
    # the tool was run in vain because one of them changed. None: that was not asked.
    optimistic: bool | None = None
    quiet_tables: int | None = None
    quiet_bytes: int | None = None
    late_attempts: int | None = None


class MetadataCollector:
    """Keeps the metadata files of a stream of records that passes through it."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._texts: dict[int, bytearray] = {}

    def watch(self, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            self._keep(record)
            yield record

    def texts(self) -> dict[str, str]:
        """Return the files seen so far, by name."""
        return {
            self._names[number]: content.decode("utf-8", errors="replace")
            for number, content in self._texts.items()
        }

    def _keep(self, record: Record) -> None:
        match record:
            case FileOpened(number, path) if path in NAMES:
                self._names[number], self._texts[number] = path, bytearray()
            case Data(number, offset, payload) if number in self._texts:
                content = self._texts[number]
                if offset != len(content) or offset + len(payload) > MOST_BYTES:
                    raise EngineError(f"{self._names[number]} is not a metadata file")
                content += payload
            case FileRemoved(number) | FileRenamed(number):
                self._texts.pop(number, None)


def parse_facts(texts: Mapping[str, str]) -> CopyFacts:
    """Parse the facts of a full copy; EngineError if a required file or field is missing."""
    checkpoints = _fields(_required(texts, CHECKPOINTS))
    summary = _fields(_required(texts, SUMMARY))
    binlog_file, binlog_position, gtid = _parse_coordinates(_text(texts, BINLOG))
    plugins = " ".join(named_plugins(texts.get(SETTINGS_FILE, "")))
    return CopyFacts(
        from_lsn=_number(checkpoints, "from_lsn"),
        to_lsn=_number(checkpoints, "to_lsn"),
        binlog_file=binlog_file,
        binlog_position=binlog_position,
        gtid_executed=gtid,
        server_version=summary.get("server_version", ""),
        tool_version=summary.get("tool_version", ""),
        details=MariadbDetails.read(summary | checkpoints | {"plugins": plugins}),
    )


def read_end_lsn(folder: Path) -> int | None:
    """Return the LSN at which the redo log of a restored copy ends; None if that is unknown."""
    for name in CHECKPOINTS:
        with contextlib.suppress(OSError, ValueError, KeyError):
            text = read_contained(folder, name, most_bytes=MOST_BYTES)
            return int(_fields(text.decode("utf-8", errors="replace"))["last_lsn"])
    return None


def is_partial(folder: Path) -> bool:
    """Whether a restored copy is of chosen tables, as the tool wrote there.

    It calls a copy partial that is not: of an optimistic one it left out what was copied before.
    There a table without a file is a fault, and must stay one.
    """
    for name in SUMMARY:
        with contextlib.suppress(OSError):
            text = read_contained(folder, name, most_bytes=MOST_BYTES)
            fields = _fields(text.decode("utf-8", errors="replace"))
            named = CHOSEN_OPTION in fields.get("tool_command", "")
            return named and fields.get("partial", "").upper() == "Y"
    return False


def _text(texts: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((texts[name] for name in names if name in texts), "")


def _required(texts: Mapping[str, str], names: tuple[str, ...]) -> str:
    if text := _text(texts, names):
        return text
    raise EngineError(f"the copy has no {names[0]} and no {names[1]}")


def _fields(text: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def _number(fields: Mapping[str, str], name: str) -> int:
    try:
        return int(fields[name])
    except (KeyError, ValueError):
        raise EngineError(
            f"the copy's metadata has no usable {name}: {fields.get(name)!r}"
        ) from None


def _parse_coordinates(text: str) -> tuple[str, int | None, str]:
    """Split file, position and GTID set; without a binary log there is no such file."""
    if not text.strip():
        return "", None, ""
    # The GTID set may be empty, and may span several lines.
    match = re.fullmatch(r"(\S+)\s+(\d+)\s*(.*)", text.strip(), flags=re.DOTALL)
    if match is None:
        raise EngineError(f"the copy's binary log coordinates are invalid: {text.strip()!r}")
    return match[1], int(match[2]), re.sub(r"\s+", "", match[3])
