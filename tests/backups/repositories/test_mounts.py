"""Is a network mount recognised, and never touched?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backups.repositories.disks import device_of, real_path
from backups.repositories.mounts import Mount, read_mounts, resolve

LINES = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
60 22 0:52 / /mnt/nas rw,relatime - nfs4 nas:/export rw,vers=4.2,rsize=1048576,hard,proto=tcp
61 22 0:53 / /mnt/win\040share rw,relatime - cifs //win/back\040ups rw,vers=3.1.1,cache=strict,soft
62 22 0:54 / /mnt/far rw,nosuid - fuse.sshfs db@far:/x rw,user_id=0
63 60 8:2 / /mnt/nas/disk rw - ext4 /dev/sdb1 rw
64 22 0:55 / /mnt/old rw - nfs nas:/old rw,vers=3,soft
broken line
"""


def mount_of(path: str) -> Mount:
    mount = resolve(path, read_mounts(LINES)).mount
    assert mount is not None
    return mount


@pytest.mark.parametrize(
    ("path", "shown", "is_remote"),
    [
        ("/mnt/nas/backup", "NFS 4.2 from nas:/export, hard", True),
        ("/mnt/nas", "NFS 4.2 from nas:/export, hard", True),
        ("/mnt/old/x", "NFS 3 from nas:/old, soft", True),
        ("/mnt/win share/x", "SMB 3.1.1 from //win/back ups, soft", True),
        ("/mnt/far/x", "FUSE (fuse.sshfs) from db@far:/x", True),
        ("/mnt/nastier/x", "ext4 from /dev/sda1", False),
        ("/mnt/nas/disk/x", "ext4 from /dev/sdb1", False),
        ("/none", "ext4 from /dev/sda1", False),
    ],
)
def test_a_mount_is_named(path: str, shown: str, is_remote: bool) -> None:
    assert (mount_of(path).shown, mount_of(path).is_remote) == (shown, is_remote)


def test_links_lead_to_a_mount_and_are_not_read_inside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to(tmp_path / "nas")
    mounts = [
        *read_mounts("22 1 8:1 / / rw - ext4 /dev/sda1 rw"),
        Mount(str(tmp_path / "nas"), "nfs4", "nas:/export", 52),
    ]
    read: list[str] = []
    readlink = os.readlink

    def note(path: str) -> str:
        read.append(path)
        return readlink(path)

    monkeypatch.setattr(os, "readlink", note)
    resolved = resolve(str(tmp_path / "one" / "backup"), mounts)
    assert resolved.path == f"{tmp_path}/nas/backup"
    assert resolved.mount is mounts[1]
    assert not [path for path in read if path.startswith(f"{tmp_path}/nas")]


def test_a_link_that_leads_to_itself_has_an_end(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert device_of(str(tmp_path / "loop")) is None


def test_paths_here_are_as_the_system_sees_them(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("folder/inner/../inner")
    path = str(tmp_path / "link" / "x")
    assert real_path(path) == os.path.realpath(path)
    assert device_of(str(tmp_path)) == tmp_path.stat().st_dev
