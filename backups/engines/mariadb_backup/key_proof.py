"""Do the keys of this host open the files of a copy? Asked before any program needs them.

A program with a wrong key reads noise, and reports a damaged copy. So one page is opened here for
each key that the copy names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from backups.engines.base import HostKeys
from backups.engines.mariadb_backup.host_plugins import needs_keys
from backups.engines.mariadb_backup.key_file import KeyFileUnreadable, read_keys
from backups.engines.mariadb_backup.shaping import Shaping
from backups.innodb.formats import LARGEST_PAGE
from backups.innodb.mariadb_encryption import (
    TablespaceKey,
    is_encrypted,
    opens,
    read_tablespace_key,
)

# A tablespace with nothing encrypted so far is not searched to its end.
_MOST_PAGES = 64


def refuse_wrong_keys(
    copy: Path, shaping: Shaping, keys: HostKeys, check: Callable[[], None]
) -> None:
    """Raise Refused where a key is missing or opens nothing; what cannot be judged passes."""
    if not shaping.needs_keys:
        return
    try:
        known = read_keys(keys, shaping.key_settings)
    except KeyFileUnreadable as exc:
        raise needs_keys(f"{keys.key_file} cannot be used: {exc}") from None
    proved: set[int] = set()
    for name, tablespace, page in _encrypted(copy, proved):
        check()
        key = known.get(tablespace.number)
        if key is None:
            raise needs_keys(
                f"{name} is encrypted with key {tablespace.number}, and {keys.key_file} "
                "has none of that number"
            )
        if not page:
            continue
        if not opens(page, tablespace, key):
            raise needs_keys(f"key {tablespace.number} in {keys.key_file} does not open {name}")
        proved.add(tablespace.number)


def _encrypted(copy: Path, proved: set[int]) -> Iterator[tuple[str, TablespaceKey, bytes]]:
    """Yield each tablespace whose key is not ``proved``, and an encrypted page of it, if any."""
    for top, _, files, descriptor in os.fwalk(copy):
        for name in files:
            if not name.endswith(".ibd") and not name.startswith("ibdata"):
                continue
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with open(os.open(name, flags, dir_fd=descriptor), "rb") as file:
                tablespace = read_tablespace_key(file.read(LARGEST_PAGE))
                if tablespace is None or tablespace.number in proved:
                    continue
                page = _find_encrypted(file, tablespace.page_bytes)
            if page or tablespace.required:
                yield os.path.relpath(os.path.join(top, name), copy), tablespace, page


def _find_encrypted(file: BinaryIO, page_bytes: int) -> bytes:
    """Return an encrypted page; empty where the first ones have not been written yet."""
    for number in range(1, _MOST_PAGES):
        file.seek(number * page_bytes)
        page = file.read(page_bytes)
        if is_encrypted(page):
            return page
    return b""
