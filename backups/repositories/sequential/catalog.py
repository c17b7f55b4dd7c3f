"""Which pieces are on the medium, and what is in them? A medium itself cannot say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from backups.repositories.sequential.blocks import Content


@dataclass(frozen=True, slots=True)
class CatalogPiece:
    """One piece that was begun. An object may have several: the newest that is stored counts."""

    object: str
    generation: int
    # Its name on the medium.
    name: str
    block_bytes: int
    # None: it was begun and never confirmed.
    content: Content | None = None

    @property
    def stored_size(self) -> int:
        return self.content.size if self.content else 0


class PieceCatalog(Protocol):
    """Remembers pieces. Called from any thread."""

    def pieces(self, name: str) -> Sequence[CatalogPiece]:
        """Return the pieces of an object, the newest generation first."""
        ...

    def below(self, prefix: str) -> Sequence[CatalogPiece]:
        """Return the pieces of all objects whose name begins with ``prefix``, by object."""
        ...

    def add(self, piece: CatalogPiece) -> None:
        """Remember a piece, before its first byte is written."""
        ...

    def confirm(self, piece: CatalogPiece) -> None:
        """Remember what is in a piece that was stored."""
        ...

    def forget(self, piece: CatalogPiece) -> None: ...

    def kept(self, piece: CatalogPiece) -> bytes | None:
        """Return the bytes that were kept of a small object; None if there are none."""
        ...

    def keep(self, piece: CatalogPiece, content: bytes) -> None: ...


class MemoryCatalog:
    """The catalog of a repository that has no row yet: of this process only."""

    def __init__(self) -> None:
        self._pieces: dict[str, CatalogPiece] = {}
        self._kept: dict[str, bytes] = {}

    def pieces(self, name: str) -> Sequence[CatalogPiece]:
        found = [piece for piece in self._pieces.values() if piece.object == name]
        return sorted(found, key=lambda piece: -piece.generation)

    def below(self, prefix: str) -> Sequence[CatalogPiece]:
        found = [piece for piece in self._pieces.values() if piece.object.startswith(prefix)]
        return sorted(found, key=lambda piece: (piece.object, piece.generation))

    def add(self, piece: CatalogPiece) -> None:
        self._pieces[piece.name] = replace(piece, content=None)

    def confirm(self, piece: CatalogPiece) -> None:
        self._pieces[piece.name] = piece

    def forget(self, piece: CatalogPiece) -> None:
        self._pieces.pop(piece.name, None)
        self._kept.pop(piece.name, None)

    def kept(self, piece: CatalogPiece) -> bytes | None:
        return self._kept.get(piece.name)

    def keep(self, piece: CatalogPiece, content: bytes) -> None:
        self._kept[piece.name] = content
