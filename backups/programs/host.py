"""What is on the host of an instance: the backup tool, and the files it would read?

Read through a runner, as the user that will run the backup. Nothing is decided here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backups.exceptions import RunnerError
from backups.programs.compatibility import Version
from backups.programs.installed import installed
from backups.runners.base import Runner

TOOL = "mariadb-backup"
# Listing a million files on a cold disk takes minutes.
_LISTING_SECONDS = 600
_INNODB = re.compile(r".+\.ibd|ibdata\d+|undo\d+")
# Also copied by mariadb-backup: other engines' tables, their definitions, Aria's log.
_OTHERS = re.compile(
    r"(?i).+\.(frm|isl|myd|myi|mad|mai|mrg|trg|trn|arm|arz|csm|csv|opt|par|sst)|aria_log[._].+"
)


@dataclass(frozen=True, slots=True)
class DataFiles:
    """The files of the data folder that a backup copies."""

    innodb_bytes: int
    other_bytes: int
    file_count: int
    # The first file this user may not read.
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A host at one moment. A fact that could not be read is None, with the problem beside it."""

    hostname: str = ""
    tool: Version | None = None
    tool_problem: str = ""
    tool_hint: str = ""
    files: DataFiles | None = None
    files_problem: str = ""


def survey_host(runner: Runner, datadir: str) -> HostFacts:
    """Check the tool, and the data folder if its path is known."""
    try:
        hostname = runner.run(["uname", "-n"]).stdout.strip()
    except RunnerError as exc:
        # One failure is enough: each further attempt would take as long as this one.
        return HostFacts(tool_problem=str(exc), tool_hint=exc.hint, files_problem=str(exc))
    tool = installed(runner, TOOL)
    files, files_problem = _look_at_files(runner, datadir) if datadir else (None, "")
    return HostFacts(
        hostname=hostname,
        tool=tool.version,
        tool_problem=tool.problem,
        tool_hint=tool.hint,
        files=files,
        files_problem=files_problem,
    )


def parse_listing(text: str) -> DataFiles:
    """Add up lines of ``size name``; ``! type depth path`` is a path this user may not read."""
    innodb_bytes = other_bytes = file_count = 0
    unreadable = ""
    for line in text.splitlines():
        size, _, name = line.partition(" ")
        if size == "!":
            unreadable = unreadable or _needed(name)
        elif size.isdigit() and _INNODB.fullmatch(name):
            innodb_bytes += int(size)
            file_count += 1
        elif size.isdigit() and _OTHERS.fullmatch(name):
            other_bytes += int(size)
            file_count += 1
    return DataFiles(innodb_bytes, other_bytes, file_count, unreadable)


def _needed(unreadable: str) -> str:
    """Return the path if a backup must read it, otherwise an empty string."""
    kind, depth, path = unreadable.split(" ", 2)
    name = path.rpartition("/")[2]
    # It opens every folder there, as a schema, and none below: also lost+found and hidden ones.
    folder = kind == "d" and int(depth) <= 1
    return path if folder or _INNODB.fullmatch(name) or _OTHERS.fullmatch(name) else ""


def _look_at_files(runner: Runner, datadir: str) -> tuple[DataFiles | None, str]:
    # A folder that cannot be listed is not readable either: find prints the same line for it.
    unreadable = ["(", "!", "-readable", "-printf", "! %y %d %p\\n", "-prune", ")"]
    listing = ["-o", "-type", "f", "-printf", "%s %f\\n"]
    folder = datadir.rstrip("/") + "/"
    try:
        done = runner.run(["find", folder, *unreadable, *listing], timeout_seconds=_LISTING_SECONDS)
    except RunnerError as exc:
        return None, str(exc)
    if not done.stdout.strip():
        return None, _last_line(done.stderr) or f"{folder} contains no files"
    # Files may appear and disappear during the listing; that is no problem.
    return parse_listing(done.stdout), ""


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1][:300] if text.strip() else ""
