"""What does the manifest of a segment say about it? Checked: somebody may have changed it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from backups.archive.about import check_about
from backups.binlogs.segments.names import SegmentPlace
from backups.exceptions import ArchiveError, MooringError

_SHA256 = re.compile(r"[0-9a-f]{64}")
# File numbers and offsets fit into a database's integers.
_BIG = 1 << 63
_LONGEST_NAME = 120


@dataclass(frozen=True, slots=True)
class SourceInstance:
    """The instance whose binlog it is."""

    uuid: UUID
    name: str
    host: str
    port: int
    flavour: str
    engine: str


@dataclass(frozen=True, slots=True)
class SourceTimeline:
    """The unbroken history that the piece belongs to."""

    uuid: UUID
    # Why it began; see ``TimelineStart``.
    start: str
    server_identity: str
    server_version: str
    began_at: datetime


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """Which bytes of which file these are, and what is in them."""

    instance: SourceInstance
    timeline: SourceTimeline
    file: str
    # The first byte's offset in the file, and that after the last.
    start: int
    end: int
    last_of_file: bool
    # Of these bytes, as hex.
    sha256: str
    transactions: int
    first_commit_at: datetime | None
    last_commit_at: datetime | None
    gtids_before: str
    gtids_after: str

    @property
    def place(self) -> SegmentPlace:
        return SegmentPlace(self.instance.uuid, self.timeline.uuid, self.file, self.start)

    # Any: JSON.
    def as_json(self) -> dict[str, Any]:
        return {
            "instance": {**_plain(self.instance), "uuid": str(self.instance.uuid)},
            "timeline": {
                **_plain(self.timeline),
                "uuid": str(self.timeline.uuid),
                "began_at": self.timeline.began_at.isoformat(),
            },
            "file": self.file,
            "start": self.start,
            "end": self.end,
            "last_of_file": self.last_of_file,
            "sha256": self.sha256,
            "transactions": self.transactions,
            "first_commit_at": _text_of(self.first_commit_at),
            "last_commit_at": _text_of(self.last_commit_at),
            "gtids_before": self.gtids_before,
            "gtids_after": self.gtids_after,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> SegmentFacts:
        """Return the facts; ArchiveError if a value is not what a database and pages can hold."""
        try:
            facts = cls(
                _instance(fields["instance"]),
                _timeline(fields["timeline"]),
                _text(fields["file"]),
                _number(fields["start"]),
                _number(fields["end"]),
                _flag(fields["last_of_file"]),
                _text(fields["sha256"]),
                _number(fields["transactions"]),
                _moment(fields["first_commit_at"]),
                _moment(fields["last_commit_at"]),
                _text(fields["gtids_before"], 1 << 24),
                _text(fields["gtids_after"], 1 << 24),
            )
            # Also that the file's name is one.
            _ = facts.place.data_name
        except (ValueError, KeyError, TypeError, AttributeError, MooringError) as exc:
            raise ArchiveError(f"manifest of a segment cannot be decoded: {exc!r:.200}") from None
        if facts.end <= facts.start or not _SHA256.fullmatch(facts.sha256):
            raise ArchiveError(f"manifest of a segment claims bytes {facts.start} to {facts.end}")
        return facts


def _plain(value: SourceInstance | SourceTimeline) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _instance(fields: Mapping[str, Any]) -> SourceInstance:
    # The rules for a backup's instance hold here as well.
    check_about({"instance": {key: fields[key] for key in ("uuid", "name", "host", "port")}})
    return SourceInstance(
        UUID(fields["uuid"]),
        fields["name"],
        fields["host"],
        fields["port"],
        _text(fields["flavour"], 10),
        _text(fields["engine"], 20),
    )


def _timeline(fields: Mapping[str, Any]) -> SourceTimeline:
    began_at = _moment(fields["began_at"])
    if began_at is None:
        raise ValueError("no began_at")
    return SourceTimeline(
        UUID(_text(fields["uuid"])),
        _text(fields["start"], 10),
        _text(fields["server_identity"]),
        _text(fields["server_version"], 80),
        began_at,
    )


def _text(value: Any, most: int = _LONGEST_NAME * 2) -> str:
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise ValueError(f"not a text of at most {most} characters")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _BIG:
        raise ValueError(f"{value!r:.40} is not a number")
    return value


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(f"{value!r:.40} is not true or false")
    return value


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no offset")
    return moment


def _text_of(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
