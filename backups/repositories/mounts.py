"""On which mount is a folder, and can that mount hang? Found without a touch of the mount.

A look at a folder of a network mount whose server is down waits, without end on a hard mount. So
links are resolved only where a local disk answers, and what the kernel says of its mounts tells
the rest.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MOUNTINFO = Path("/proc/self/mountinfo")
# File systems that another host or another process answers for. FUSE ones also have a suffix.
REMOTE = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse", "fuseblk", "autofs", "ceph", "9p"),
        *("afs", "glusterfs", "lustre", "gpfs", "beegfs", "orangefs", "ocfs2", "gfs2", "virtiofs"),
    }
)
_SMB = frozenset({"cifs", "smb3", "smbfs"})
_ESCAPED = re.compile(r"\\([0-7]{3})")
MOST_LINKS = 40


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of the kernel's list."""

    point: str
    kind: str
    source: str
    device: int
    options: tuple[str, ...] = ()

    @property
    def is_remote(self) -> bool:
        """Whether it can hang because of another host or process."""
        return self.kind in REMOTE or self.kind.startswith("fuse.")

    @property
    def shown(self) -> str:
        """What it is, as ``NFS 4.2 from nas:/export, hard``."""
        version = self._option("vers")
        if self.kind in {"nfs", "nfs4"}:
            name = f"NFS {version}".rstrip()
        elif self.kind in _SMB:
            name = f"SMB {version}".rstrip()
        elif self.kind.startswith("fuse"):
            name = f"FUSE ({self.kind})"
        else:
            name = self.kind
        patience = next((one for one in ("hard", "soft", "softerr") if one in self.options), "")
        return f"{name} from {self.source}{f', {patience}' if patience else ''}"

    def _option(self, name: str) -> str:
        values = (one.partition("=") for one in self.options)
        return next((value for key, _, value in values if key == name), "")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A path without links, as far as they can be read at once, and its mount."""

    path: str
    mount: Mount | None


def read_mounts(text: str | None = None) -> list[Mount]:
    """Return the mounts of this process; later ones hide earlier ones at the same point."""
    try:
        lines = MOUNTINFO.read_text("utf-8", "surrogateescape") if text is None else text
    except OSError:
        return []
    return [mount for line in lines.splitlines() if (mount := _parse(line)) is not None]


def resolve(path: str, mounts: list[Mount] | None = None) -> Resolved:
    """Resolve the links of an absolute path up to a mount that can hang, and nothing in it."""
    mounts = read_mounts() if mounts is None else mounts
    remote = {mount.point: mount for mount in mounts if mount.is_remote}
    done, left = "/", list(PurePosixPath(os.path.normpath(path)).parts[1:])
    for _ in range(MOST_LINKS * 100):
        if done in remote or not left:
            break
        part = left.pop(0)
        if part == "..":
            done = os.path.dirname(done)
            continue
        inner = os.path.join(done, part)
        target = None if inner in remote else _link_at(inner)
        if target is None:
            done = inner
            continue
        done = "/" if target.startswith("/") else done
        left = [one for one in PurePosixPath(target).parts if one != "/"] + left
    whole = os.path.normpath(os.path.join(done, *left))
    return Resolved(whole, _mount_of(whole, mounts))


def _mount_of(path: str, mounts: list[Mount]) -> Mount | None:
    """Return the mount that a path without links is on."""
    found = None
    for mount in mounts:
        inside = PurePosixPath(path).is_relative_to(mount.point)
        if inside and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def _link_at(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


def _parse(line: str) -> Mount | None:
    """Parse a line: id, parent, major:minor, root, point, options, …, "-", kind, source, more."""
    before, dash, after = line.partition(" - ")
    fields, more = before.split(" "), after.split(" ")
    if not dash or len(fields) < 6 or len(more) < 3:
        return None
    major, _, minor = fields[2].partition(":")
    if not (major.isdigit() and minor.isdigit()):
        return None
    options = (*fields[5].split(","), *more[2].split(","))
    device = os.makedev(int(major), int(minor))
    return Mount(_plain(fields[4]), more[0], _plain(more[1]), device, options)


def _plain(text: str) -> str:
    """Undo the kernel's octal escapes of spaces, tabs and backslashes."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)
