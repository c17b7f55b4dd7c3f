"""What is below a folder of an SFTP server? Listed in the order of names, and removed.

What a server lists is checked: a name that is none could lead elsewhere, and folders without end
would never be listed to the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from backups.exceptions import RepositoryError
from backups.repositories.layout import MANIFEST_NAME, is_safe_path
from backups.repositories.sftp.packets import Kind
from backups.repositories.sftp.requests import Entry, SftpRequests, is_folder

# Folders that are listed at the same time.
LISTED_AT_ONCE = 8
# Below the top of a list; no repository has as many.
MOST_LEVELS = 16
MOST_NAMES = 10_000_000


@dataclass(frozen=True, slots=True)
class Tree:
    """Files, links and other things by name with their sizes, and folders; both in order."""

    files: Sequence[tuple[str, int]]
    folders: Sequence[str]


def walk(requests: SftpRequests, path_of: Callable[[str], str], top: str) -> Tree:
    """Return what is below ``top``, a folder; links are not followed."""
    files: list[tuple[str, int]] = []
    folders, level = [top], [top]

    def list_one(folder: str) -> list[Entry]:
        return [_checked(folder, one) for one in requests.entries(path_of(folder)) if _counts(one)]

    with ThreadPoolExecutor(LISTED_AT_ONCE) as listing:
        for _ in range(MOST_LEVELS):
            inner: list[str] = []
            for folder, entries in zip(level, listing.map(list_one, level), strict=True):
                for entry in entries:
                    name = f"{folder}/{entry.name}"
                    if is_folder(entry.attributes):
                        inner.append(name)
                    else:
                        files.append((name, entry.attributes.size or 0))
            if len(files) + len(folders) > MOST_NAMES:
                raise RepositoryError(f"the server lists more than {MOST_NAMES} names below {top}")
            folders += inner
            if not (level := inner):
                return Tree(sorted(files), sorted(folders))
    raise RepositoryError(
        f"the server lists folders within folders below {top}, more than any repository has",
        hint="Find out who made them, and delete them.",
    )


def remove(requests: SftpRequests, path_of: Callable[[str], str], tree: Tree) -> int:
    """Remove a tree, manifests first: an interrupted removal leaves no apparent backup."""
    manifests = [name for name, _ in tree.files if name.rpartition("/")[2] == MANIFEST_NAME]
    requests.remove_all([path_of(name) for name in manifests])
    gone = set(manifests)
    requests.remove_all([path_of(name) for name, _ in tree.files if name not in gone])
    # Deepest first, a level at a time: a server may serve requests at the same time.
    levels = sorted({folder.count("/") for folder in tree.folders}, reverse=True)
    for level in levels:
        here = [folder for folder in tree.folders if folder.count("/") == level]
        requests.remove_all([path_of(folder) for folder in here], Kind.RMDIR)
    return sum(size for _, size in tree.files)


def _counts(entry: Entry) -> bool:
    return entry.name not in {".", ".."}


def _checked(folder: str, entry: Entry) -> Entry:
    if "/" in entry.name or not is_safe_path(entry.name):
        raise RepositoryError(
            f"the server lists {entry.name!r} in {folder}, a name that no repository has",
            hint="Find out who put it there, and delete it.",
        )
    return entry
