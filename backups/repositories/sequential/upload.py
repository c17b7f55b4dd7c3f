"""How does an object become a piece: whole, or not at all?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import TracebackType

from backups.repositories.sequential.base import PieceSink
from backups.repositories.sequential.blocks import BlockWriter, Label
from backups.repositories.sequential.catalog import CatalogPiece


class SequentialUpload:
    """An object being written: nothing of it is staged, a block at a time is in memory."""

    def __init__(
        self,
        piece: CatalogPiece,
        sink: PieceSink,
        label: Label,
        ended: Callable[[CatalogPiece, bool], None],
    ) -> None:
        """``ended`` is called once, with whether the medium has confirmed the piece."""
        self._piece, self._sink, self._ended = piece, sink, ended
        self._blocks = BlockWriter(label)
        self._is_open = True
        self._begun = False

    def write(self, chunk: bytes) -> None:
        self._begin()
        for block in self._blocks.add(chunk):
            self._sink.write(block)

    def commit(self) -> None:
        self._begin()
        for block in self._blocks.end():
            self._sink.write(block)
        self._sink.finish()
        self._end(replace(self._piece, content=self._blocks.content), stored=True)

    def __enter__(self) -> SequentialUpload:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_open:
            self._sink.abort()
            self._end(self._piece, stored=False)

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._sink.write(self._blocks.begin())

    def _end(self, piece: CatalogPiece, *, stored: bool) -> None:
        self._is_open = False
        self._ended(piece, stored)
