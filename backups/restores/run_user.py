"""As whom do programs run that open the files of a backup?

As a user without rights, where we are root and there is such a user. The files are lent to it for
that time: they are its own while programs work on them, and whoever they are restored for gets
them in the end.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from backups.exceptions import StageFailed
from backups.runners.sandbox import sandbox_works

HINT = "Create it: useradd --system --no-create-home --shell /usr/sbin/nologin {name}."


def find_run_user(name: str, folder: Path) -> tuple[tuple[int, int] | None, str]:
    """Return the user's ids, or None and why programs run as ourselves; blank: as it should be."""
    if os.geteuid() != 0:
        return None, ""
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        return None, f"there is no user {name}: programs run as root. {HINT.format(name=name)}"
    if user.pw_uid == 0:
        return None, f"{name} is root: programs run with all rights"
    if not sandbox_works() and not _is_open_to_all(folder.parent):
        return None, (
            f"{name} may not enter {folder.parent}, and no bwrap works here: programs run as root. "
            "Install bubblewrap, or restore to a folder that everybody may enter."
        )
    return (user.pw_uid, user.pw_gid), ""


def _is_open_to_all(folder: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))


def change_owner(target: Path, uid: int, gid: int) -> None:
    """Give everything in ``target`` to another user, and nothing beyond.

    A link is given itself, never what it leads to. The folder itself is not given: while it is
    closed to others, nobody can change what is in it.
    """
    try:
        for name, folders, files, descriptor in os.fwalk(target, topdown=False):
            for entry in (*folders, *files):
                status = os.stat(entry, dir_fd=descriptor, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                    raise StageFailed(
                        f"{name}/{entry} has a hard link elsewhere: its owner is not changed"
                    )
                os.chown(entry, uid, gid, dir_fd=descriptor, follow_symlinks=False)
    except PermissionError as exc:
        raise StageFailed(
            f"{target} could not be given to another user: {exc}",
            hint="Run the worker as root, or restore without an owner and chown the folder.",
        ) from exc


def give_folder(target: Path, uid: int, gid: int) -> None:
    """Give the folder itself: whoever has it can change all that is in it."""
    os.chown(target, uid, gid, follow_symlinks=False)
