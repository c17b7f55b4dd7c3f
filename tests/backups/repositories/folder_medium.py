"""A medium in a folder of the test: pieces are files that nobody reads at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from backups.exceptions import RepositoryError
from backups.repositories.sequential.base import Medium
from backups.repositories.sequential.catalog import MemoryCatalog
from backups.repositories.sequential.store import SequentialStore


class FolderMedium:
    """Counts what is fetched; removes nothing if it is one that cannot."""

    def __init__(self, folder: Path, *, can_remove: bool = True, block_bytes: int = 4096) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.can_remove, self.block_bytes = folder, can_remove, block_bytes
        self.fetched: list[str] = []
        # What happens to the next pieces instead of a confirmation.
        self.refusal = ""

    def check(self) -> None:
        if not self.folder.is_dir():
            raise RepositoryError("no folder")

    def store(self, piece: str) -> FolderPiece:
        return FolderPiece((self.folder / piece).open("xb"), self)

    def fetch(self, piece: str, block_bytes: int) -> FolderPiece:
        self.fetched.append(piece)
        return FolderPiece((self.folder / piece).open("rb"), self, block_bytes)

    def holds(self, piece: str) -> bool:
        return (self.folder / piece).exists()

    def names(self) -> Iterator[str]:
        return (path.name for path in self.folder.iterdir())

    def remove(self, piece: str) -> bool:
        assert self.can_remove
        found = self.holds(piece)
        (self.folder / piece).unlink(missing_ok=True)
        return found


class FolderPiece:
    def __init__(self, file: BinaryIO, medium: FolderMedium, block_bytes: int = 0) -> None:
        self._file, self._medium, self._block_bytes = file, medium, block_bytes

    def write(self, block: bytes) -> None:
        assert len(block) == self._medium.block_bytes
        self._file.write(block)

    def read(self) -> bytes:
        return self._file.read(self._block_bytes)

    def finish(self) -> None:
        if self._medium.refusal:
            raise RepositoryError(self._medium.refusal)
        self._file.close()

    def abort(self) -> None:
        self._file.close()

    kill = abort


def opened(medium: Medium) -> Callable[[], Medium]:
    return lambda: medium


def folder_store(folder: Path, uuid: str = "") -> SequentialStore:
    medium = FolderMedium(folder / "medium")
    return SequentialStore(opened(medium), "site1", MemoryCatalog(), "media:test/site1", uuid)
