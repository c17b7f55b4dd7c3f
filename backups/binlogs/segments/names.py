"""Which object of a repository is which piece of which binlog?

instances/<instance uuid>/binlogs/<timeline>/<file number>-<file>/<start>.segment
instances/<instance uuid>/binlogs/<timeline>/<file number>-<file>/<start>.json.zst  written last
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from backups.exceptions import BinlogDamaged

DATA_SUFFIX, MANIFEST_SUFFIX = ".segment", ".json.zst"
# A server counts its files up to 2^31 - 1.
NUMBER_DIGITS, START_DIGITS = 10, 16
# As a server may be configured to name its binlogs: a base name, a dot, six digits or more.
_FILE = re.compile(r"[^\s/\x00-\x1f\x7f.][^/\x00-\x1f\x7f]{0,199}\.(?P<number>[0-9]{1,10})")
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_MANIFEST = re.compile(
    rf"instances/(?P<instance>{_UUID})/binlogs/(?P<timeline>{_UUID})/"
    rf"(?P<number>[0-9]{{10}})-(?P<file>[^/]+)/(?P<start>[0-9]{{16}})\.json\.zst"
)


@dataclass(frozen=True, slots=True)
class SegmentPlace:
    """What the name of a segment says: whose bytes it has, and where they begin."""

    instance: UUID
    timeline: UUID
    file: str
    start: int

    @property
    def data_name(self) -> str:
        """Name of the object with the bytes."""
        return self._stem + DATA_SUFFIX

    @property
    def manifest_name(self) -> str:
        """Name of the object that describes them. Without it there is no segment."""
        return self._stem + MANIFEST_SUFFIX

    @property
    def _stem(self) -> str:
        number = file_number(self.file)
        return (
            f"{timeline_folder(self.instance, self.timeline)}/"
            f"{number:0{NUMBER_DIGITS}}-{self.file}/{self.start:0{START_DIGITS}}"
        )


def timeline_folder(instance: UUID, timeline: UUID) -> str:
    """Folder of all segments of a timeline, without a slash at its end."""
    return f"instances/{instance}/binlogs/{timeline}"


def file_number(file: str) -> int:
    """Return the number at the end of a binlog's name; BinlogDamaged if no binlog has that name.

    The files of a timeline are in the order of their numbers.
    """
    found = _FILE.fullmatch(file)
    if found is None:
        raise BinlogDamaged(f"{file[:80]!r} is not the name of a binlog: NAME.NUMBER is expected")
    return int(found["number"])


def manifest_of(data_name: str) -> str:
    """Return the name of the manifest beside an object with bytes."""
    return data_name.removesuffix(DATA_SUFFIX) + MANIFEST_SUFFIX


def place_of_manifest(name: str) -> SegmentPlace | None:
    """Return what ``name`` says if it is the manifest of a segment, else None."""
    found = _MANIFEST.fullmatch(name)
    if found is None or _FILE.fullmatch(found["file"]) is None:
        return None
    place = SegmentPlace(
        UUID(found["instance"]), UUID(found["timeline"]), found["file"], int(found["start"])
    )
    # With another number before the file's name it would not be found again.
    return place if place.manifest_name == name else None
