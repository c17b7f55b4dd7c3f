"""Do the keys of this host open the files of a copy? Asked before any program needs them.

A program with a wrong key reads noise, and reports a damaged copy. So one page is opened here for
each key that the copy names. Redo log and Aria tables have nothing to compare with: there the
program's own failure is judged.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from backups.engines.base import HostKeys
from backups.engines.mariadb_backup.host_plugins import needs_keys
from backups.engines.mariadb_backup.key_file import KeyFileUnreadable, read_keys
from backups.engines.mariadb_backup.shaping import Shaping
from backups.exceptions import EngineError, MooringError
from backups.innodb.formats import LARGEST_PAGE, PageFormat
from backups.innodb.mariadb_encryption import (
    TablespaceKey,
    can_be_opened,
    opens,
    read_tablespace_key,
)
from backups.innodb.verdict import PageVerdict, judge

# A tablespace with nothing encrypted so far is not searched to its end.
_MOST_PAGES = 64
# Of the redo log and of Aria.
_SYSTEM_KEY = 1
# What MariaDB's programs log about a key that is missing or wrong, if they notice it.
_UNDECRYPTED = re.compile(
    r"The page \[.* cannot be decrypted|Encryption key is not found for \S+"
    r"|Can't find file: .*(?=\n.*Plugin 'file_key_management' init)"
    r"|Plugin 'file_key_management' init function returned error"
    r"|Can't open shared library '[^'\n]*file_key_management.*"
)


def prove_keys(
    copy: Path, shaping: Shaping, keys: HostKeys, check: Callable[[], None]
) -> frozenset[int]:
    """Return the numbers of the keys that open a page each; Refused where one does not.

    A key for which there is no page to judge by is not among them.
    """
    if not shaping.needs_keys:
        return frozenset()
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
    return frozenset(proved)


def find_undecrypted(log: str) -> str:
    """Return what a program could not decrypt, in its own words; blank where it named nothing."""
    match = _UNDECRYPTED.search(log)
    return match[0] if match else ""


def judge_failure(
    error: EngineError, log: str, shaping: Shaping, keys: HostKeys, proved: frozenset[int]
) -> MooringError:
    """Return what to raise where a prepare failed: keys that may be wrong prove no fault."""
    if not shaping.needs_keys:
        return error
    if named := find_undecrypted(log):
        return needs_keys(f"with those in {keys.key_file}: {named}")
    if unproved := unproved_keys(shaping, keys, proved):
        return needs_keys(f"those in {unproved} could not be proved right, and {error}")
    return error


def unproved_keys(shaping: Shaping, keys: HostKeys, proved: frozenset[int]) -> str:
    """Return the key file if logs and Aria tables may need another one; blank if not."""
    return keys.key_file if shaping.needs_keys and _SYSTEM_KEY not in proved else ""


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
                page = _find_encrypted(file, tablespace.form)
            if page or tablespace.required:
                yield os.path.relpath(os.path.join(top, name), copy), tablespace, page


def _find_encrypted(file: BinaryIO, form: PageFormat) -> bytes:
    """Return a page to judge a key by; empty where the first ones have not been written yet."""
    for number in range(1, _MOST_PAGES):
        file.seek(number * form.bytes)
        page = file.read(form.bytes)
        if can_be_opened(page, form) and judge(page, form).verdict is PageVerdict.WHOLE:
            return page
    return b""
