"""Up to which transaction is a restored copy to be replayed? Pure, but for how a job says so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from backups.exceptions import BadInput
from backups.parameters import RestoreParameters

_ONE_HINT = "Give one of --until, --until-gtid, --before-gtid and --until-file-pos."
_GTID = re.compile(r"[0-9a-fA-F-]{36}:(?:[a-zA-Z_][a-zA-Z0-9_]{0,31}:)?\d+|\d+-\d+-\d+", re.ASCII)
_FILE_POSITION = re.compile(r"([^/\0:]+\.\d+):(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class RecoveryGoal:
    """Where a recovery ends: exactly one of the first four, and what it leaves out."""

    # The state at this moment: before the first transaction committed later.
    until: datetime | None = None
    # With this transaction, or before it.
    until_gtid: str = ""
    before_gtid: str = ""
    file: str = ""
    position: int | None = None
    skipped: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        named = (self.until, self.until_gtid, self.before_gtid, self.file)
        if sum(1 for each in named if each) != 1:
            raise BadInput("a recovery ends at one place", hint=_ONE_HINT)
        if bool(self.file) != (self.position is not None):
            raise BadInput("a place in a binlog is a file and a position, as binlog.000042:1234")
        if self.until is not None and self.until.tzinfo is None:
            raise BadInput(f"{self.until} has no time zone")
        # As binlogs have them: a number with a zero in front would be found, and not left out.
        for name in ("until_gtid", "before_gtid"):
            object.__setattr__(self, name, _canonical(getattr(self, name)))
        object.__setattr__(self, "skipped", frozenset(map(_canonical, self.skipped)) - {""})

    def __str__(self) -> str:
        skipped = f", without {', '.join(sorted(self.skipped))}" if self.skipped else ""
        return f"{self._place()}{skipped}"

    def words(self) -> list[str]:
        """Return the options of ``restorebackup`` that say the same."""
        named = {
            "--until": f"{self.until:%Y-%m-%d %H:%M:%S.%f} UTC" if self.until else "",
            "--until-gtid": self.until_gtid,
            "--before-gtid": self.before_gtid,
            "--until-file-pos": f"{self.file}:{self.position}" if self.file else "",
        }
        words = [word for option, value in named.items() if value for word in (option, value)]
        return words + [word for gtid in sorted(self.skipped) for word in ("--skip-gtid", gtid)]

    def as_parameters(self) -> dict[str, str | int]:
        """Return the parameters of a restore job; see ``goal_of``."""
        given = {
            "until": self.until.isoformat() if self.until is not None else None,
            "until_gtid": self.until_gtid,
            "before_gtid": self.before_gtid,
            "until_file": self.file,
            "until_position": self.position,
            "skip_gtids": " ".join(sorted(self.skipped)),
        }
        return {name: value for name, value in given.items() if value}

    def _place(self) -> str:
        if self.until is not None:
            return f"the state at {self.until:%Y-%m-%d %H:%M:%S.%f} UTC"
        if self.until_gtid:
            return f"with {self.until_gtid}"
        if self.before_gtid:
            return f"before {self.before_gtid}"
        return f"up to {self.file}:{self.position}"


def _canonical(gtid: str) -> str:
    """Return a GTID as a server writes it, or raise BadInput."""
    if not gtid:
        return ""
    if not _GTID.fullmatch(gtid):
        raise BadInput(f"{gtid!r} is not the GTID of one transaction")
    if ":" not in gtid:
        return "-".join(str(int(number)) for number in gtid.split("-"))
    source, _, number = gtid.lower().rpartition(":")
    return f"{source}:{int(number)}"


def goal_of(asked: RestoreParameters) -> RecoveryGoal | None:
    """Return what a restore job was asked; None: the backup as it is."""
    named = (asked.until, asked.until_gtid, asked.before_gtid, asked.until_file, asked.skip_gtids)
    if not any(named):
        return None
    return RecoveryGoal(
        datetime.fromisoformat(asked.until) if asked.until else None,
        asked.until_gtid or "",
        asked.before_gtid or "",
        asked.until_file or "",
        asked.until_position,
        frozenset((asked.skip_gtids or "").split()),
    )


def parse_place(text: str) -> tuple[str, int]:
    """Read ``file:position``, or raise BadInput."""
    match = _FILE_POSITION.fullmatch(text)
    if match is None:
        raise BadInput(f"{text!r} is no place in a binlog", hint="Write it as binlog.000042:1234.")
    return match[1], int(match[2])
