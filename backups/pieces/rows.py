"""The catalog of the pieces of a repository, kept in rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection
from django.db.models import QuerySet

from backups.models import MediaPiece, Repository
from backups.repositories.sequential.blocks import Content
from backups.repositories.sequential.catalog import CatalogPiece

_COLUMNS = ("object", "generation", "name", "block_bytes", "size", "sha256")


class RowCatalog:
    """Pieces are rows. Used by the threads of a backup too, which leave no connection open."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._owner = threading.get_ident()

    def pieces(self, name: str) -> Sequence[CatalogPiece]:
        with self._connected():
            return _pieces(self._rows.filter(object=name).order_by("-generation"))

    def below(self, prefix: str) -> Sequence[CatalogPiece]:
        with self._connected():
            found = _pieces(self._rows.filter(object__startswith=prefix))
        # To SQLite, a capital letter is the same as a small one.
        return [piece for piece in found if piece.object.startswith(prefix)]

    def add(self, piece: CatalogPiece) -> None:
        with self._connected():
            MediaPiece.objects.update_or_create(
                repository=self._repository,
                name=piece.name,
                defaults={
                    "object": piece.object,
                    "generation": piece.generation,
                    "block_bytes": piece.block_bytes,
                    "size": None,
                    "sha256": "",
                    "content": None,
                },
            )

    def confirm(self, piece: CatalogPiece) -> None:
        if (content := piece.content) is not None:
            with self._connected():
                self._of(piece).update(size=content.size, sha256=content.sha256)

    def forget(self, piece: CatalogPiece) -> None:
        with self._connected():
            self._of(piece).delete()

    def kept(self, piece: CatalogPiece) -> bytes | None:
        with self._connected():
            content = self._of(piece).values_list("content", flat=True).first()
        return None if content is None else bytes(content)

    def keep(self, piece: CatalogPiece, content: bytes) -> None:
        with self._connected():
            self._of(piece).update(content=content)

    @property
    def _rows(self) -> QuerySet[MediaPiece]:
        return MediaPiece.objects.filter(repository=self._repository)

    def _of(self, piece: CatalogPiece) -> QuerySet[MediaPiece]:
        return self._rows.filter(name=piece.name)

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        finally:
            if threading.get_ident() != self._owner:
                connection.close()


def _pieces(rows: QuerySet[MediaPiece]) -> list[CatalogPiece]:
    return [
        CatalogPiece(
            name,
            generation,
            piece,
            block_bytes,
            None if size is None else Content(size, sha256),
        )
        for name, generation, piece, block_bytes, size, sha256 in rows.values_list(*_COLUMNS)
    ]
