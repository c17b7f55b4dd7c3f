"""What can a program reach that opens the files of a backup? Those files, and little else.

Whoever could write into a backup could have made it to attack the program that opens it. So such
a program runs as a user without rights, sees its own folders and the system's programs, no other
process and no network. Where this host offers no namespaces, the user without rights remains.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from backups.runners.environment import tool_environment

BWRAP = "bwrap"
# What any program of this system needs, and no secret is in.
_SYSTEM = (
    "/etc/alternatives",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/ssl/openssl.cnf",
)
# Links into /usr on most systems, folders on others.
_TOP_FOLDERS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ANSWER_SECONDS = 30
# One of its own, which nobody else sees.
_TMP = "/tmp"  # noqa: S108  # nosec B108


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What one program may reach, and as whom."""

    writable: tuple[Path, ...]
    readable: tuple[Path, ...] = ()
    # Ids of user and group; None: whoever we are.
    owner: tuple[int, int] | None = None


def confine(argv: Sequence[str], sandbox: Sandbox, before: Sequence[str] = ()) -> list[str]:
    """Return the command that runs ``argv`` as confined as this host allows.

    ``before`` is a command that ends by running what follows it: within the walls, and still with
    our rights.
    """
    as_owner = drop_rights(sandbox.owner)
    if not sandbox_works():
        return [*before, *as_owner, *argv]
    return [*_walls(sandbox), "--", *before, *as_owner, *argv]


def drop_rights(owner: tuple[int, int] | None) -> list[str]:
    """Return what runs a command as another user, and still ends it when we end.

    The kernel forgets that on a change of user, so it is asked again afterwards.
    """
    if owner is None or os.geteuid() != 0 or owner[0] == 0:
        return []
    uid, gid = (str(number) for number in owner)
    return [
        *("setpriv", "--pdeathsig", "KILL", "--reuid", uid, "--regid", gid),
        *("--clear-groups", "--inh-caps=-all", "--"),
    ]


@lru_cache(maxsize=1)
def sandbox_works() -> bool:
    """Whether this host lets us build walls: a container may not."""
    if shutil.which(BWRAP) is None:
        return False
    argv = [*_walls(Sandbox(())), "--", "true"]
    try:
        done = subprocess.run(
            argv, env=tool_environment(), capture_output=True, check=False, timeout=_ANSWER_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _walls(sandbox: Sandbox) -> list[str]:
    words = [BWRAP, "--die-with-parent", "--unshare-net", "--unshare-pid", "--unshare-ipc"]
    if os.geteuid() == 0:
        # Enough to become somebody else, who then has none.
        words += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    words += ["--ro-bind", "/usr", "/usr", *_top_folders()]
    for name in _SYSTEM:
        words += ["--ro-bind-try", name, name]
    words += ["--proc", "/proc", "--dev", "/dev", "--setenv", "TMPDIR", _TMP]
    words += ["--perms", "1777", "--tmpfs", _TMP]
    for folder in _folders_above((*sandbox.readable, *sandbox.writable)):
        # By itself it would make them for itself alone.
        words += ["--perms", "0755", "--dir", str(folder)]
    for path in sandbox.readable:
        words += ["--ro-bind", str(path), str(path)]
    for path in sandbox.writable:
        words += ["--bind", str(path), str(path)]
    return words


def _folders_above(paths: Sequence[Path]) -> list[Path]:
    """Return the folders on the way to what is let in, from the top."""
    above = {folder for path in paths for folder in path.parents}
    return sorted(above - {Path("/"), Path("/usr"), Path(_TMP)})


def _top_folders() -> Iterator[str]:
    for name in _TOP_FOLDERS:
        path = Path(name)
        if path.is_symlink():
            yield from ("--symlink", os.readlink(path), name)
        elif path.is_dir():
            yield from ("--ro-bind", name, name)
