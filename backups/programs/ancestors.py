"""Can somebody else change what a path leads to?

Whoever can write a folder can put a link, or another file, in the place of anything in it. What is
restored there with the rights of root would then be written, or given away, somewhere else; a
program that is run from there would be another one.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from backups.exceptions import Refused

# As many as the kernel follows; it opens nothing behind more.
MOST_LINKS = 40
_MOVE_HINT = "Restore to a folder below one that only root can write, and move it there afterwards."


def check_ancestors(target: Path) -> None:
    """Raise Refused where a folder above ``target`` belongs to somebody else, or is open to all.

    Every link on the way is followed, ``target`` itself included. A folder like /tmp is fine: its
    sticky bit keeps everybody's hands off what is not theirs.
    """
    for folder in _on_the_way(target):
        try:
            status = folder.lstat()
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise Refused(f"{folder} cannot be examined: {exc.strerror}") from None
        if status.st_uid not in {0, os.geteuid()}:
            raise Refused(
                f"{folder} belongs to {_name(status.st_uid)}, who can replace what is in it",
                hint=_MOVE_HINT,
            )
        if stat.S_ISDIR(status.st_mode) and _is_open(status):
            raise Refused(
                f"{folder} can be written by others than its owner, and has no sticky bit",
                hint=_MOVE_HINT,
            )


def _on_the_way(target: Path) -> Iterator[Path]:
    """Yield every folder and every link that is passed, in their order, but not the end itself."""
    here, links = Path("/"), 0
    waiting = list(reversed(target.absolute().parts[1:]))
    yield here
    while waiting and links < MOST_LINKS:
        part = waiting.pop()
        if part == "..":
            here = here.parent
            continue
        found = here / part
        link = _link_of(found)
        if link is not None:
            yield found
            links += 1
            here = Path("/") if link.is_absolute() else here
            waiting += reversed([each for each in link.parts if each != "/"])
            continue
        here = found
        if waiting:
            yield here


def _link_of(path: Path) -> Path | None:
    try:
        return path.readlink()
    except OSError:
        # No link, or nothing there: whoever looks at it next says so.
        return None


def _is_open(status: os.stat_result) -> bool:
    if status.st_mode & stat.S_ISVTX:
        return False
    by_group = bool(status.st_mode & stat.S_IWGRP) and not _is_private(status.st_gid)
    return bool(status.st_mode & stat.S_IWOTH) or by_group


def _is_private(gid: int) -> bool:
    """Whether nobody but us is in a group: many systems give each user one of their own."""
    if gid == 0:
        return True
    if gid != os.getegid():
        return False
    own = pwd.getpwuid(os.geteuid())
    members = {account.pw_name for account in pwd.getpwall() if account.pw_gid == gid}
    return (members | set(grp.getgrgid(gid).gr_mem)) <= {own.pw_name, "root"}


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
