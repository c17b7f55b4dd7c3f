"""A repository on a medium that is read from the beginning.

What the medium cannot answer, the catalog does: which objects there are, and how long each is. A
small object is read as a whole and kept; a pack is streamed from its beginning, once. A part of a
pack is not read at all: it would be hours of a tape that nobody has announced.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import ClassVar

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity, ObjectStore
from backups.repositories.identity import (
    IDENTITY_BYTES,
    identity_line,
    no_repository,
    parse_identity,
)
from backups.repositories.layout import (
    FORMAT_VERSION,
    IDENTITY_NAME,
    MANIFEST_NAME,
    folder_of_manifest,
    is_safe_path,
)
from backups.repositories.sequential.absence import prove_absence
from backups.repositories.sequential.base import Medium, PieceFeed, PieceSink
from backups.repositories.sequential.blocks import Content, Label, read_blocks
from backups.repositories.sequential.catalog import CatalogPiece, PieceCatalog
from backups.repositories.sequential.names import piece_name
from backups.repositories.sequential.stream import ObjectStream
from backups.repositories.sequential.upload import SequentialUpload

logger = logging.getLogger(__name__)

# An object up to this size is kept, and parts of it may be read.
MOST_KEPT_BYTES = 16 * 1024 * 1024
# As large as a manifest may be; nothing larger is read into memory.
MOST_READ_BYTES = 128 * 1024 * 1024
# So many names in a row that others have taken are an answer that is not believed.
MOST_TAKEN = 10


class SequentialStore:
    """Objects are pieces on a medium. One at a time is written: a drive writes no two."""

    kind: ClassVar[str] = "media"

    def __init__(
        self,
        open_medium: Callable[[], Medium],
        prefix: str,
        catalog: PieceCatalog,
        address: str,
        uuid: str = "",
    ) -> None:
        """Without ``uuid`` the identity is read from the medium. It is opened when it is used."""
        self._open_medium, self.prefix, self.catalog = open_medium, prefix, catalog
        self._address, self._uuid = address, uuid
        self._writing = threading.Lock()
        self._open: set[PieceSink | PieceFeed] = set()
        # The object that was read last, for parts of small ones.
        self._last: tuple[str, bytes] = ("", b"")

    @cached_property
    def medium(self) -> Medium:
        return self._open_medium()

    def identity(self) -> Identity:
        """Return the identity; a registered one is not read: that would mount a tape.

        Every piece that is read says of which repository it is, and is refused if of another.
        """
        medium = self.medium
        if self._uuid:
            return Identity(self._uuid, FORMAT_VERSION)
        piece = self._newest(IDENTITY_NAME) or self._piece(IDENTITY_NAME, 1)
        if not medium.holds(piece.name):
            raise no_repository(self._address, "Check name and prefix")
        with self._streamed(piece) as stream:
            content = stream.rest(IDENTITY_BYTES)
        return parse_identity(content, self._address)

    def initialise(self, identity: Identity) -> None:
        first = self._piece(IDENTITY_NAME, 1)
        names = self.medium.names()
        taken = any(name.startswith(f"{self.prefix}.") for name in names) if names else False
        if taken or self.medium.holds(first.name) or self.catalog.below(""):
            raise RepositoryError(
                f"{self._address} is neither empty nor a repository",
                hint="Choose another prefix; nothing was changed.",
            )
        with self._begin(first, identity.uuid) as upload:
            upload.write(identity_line(identity))
            upload.commit()

    def create(self, name: str) -> SequentialUpload:
        _refuse_unsafe(name)
        if self._newest(name) is not None:
            raise RepositoryError(f"{name} could not be committed: it exists")
        return self._begin(self._next_piece(name), self._uuid)

    def try_writing(self) -> None:
        """Check the medium, and that it has the identity. Stores nothing: not all can remove."""
        self.medium.check()
        if self._uuid and not self.medium.holds(self._piece(IDENTITY_NAME, 1).name):
            raise no_repository(self._address, "Check name and prefix, and the media manager")

    def replace(self, name: str, content: bytes) -> None:
        _refuse_unsafe(name)
        older = self.catalog.pieces(name)
        with self._begin(self._next_piece(name), self._uuid) as upload:
            upload.write(content)
            upload.commit()
        self._last = ("", b"")
        for piece in older:
            self._discard(piece)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        piece = self._stored(name)
        size = piece.stored_size
        wanted = max(0, size - offset) if length is None else length
        if offset < 0 or not 0 <= wanted <= max(0, size - offset):
            raise RepositoryError(
                f"{name} ends early: {max(0, size - offset)} of {wanted} bytes at offset {offset}"
            )
        if size > (MOST_READ_BYTES if wanted == size else MOST_KEPT_BYTES):
            raise RepositoryError(
                f"{name} has {size} bytes on a medium that is only read from the beginning: "
                "a part of it cannot be read alone",
                hint="Restore or verify the backup: both read each piece once.",
            )
        return self._whole(piece)[offset : offset + wanted]

    @contextmanager
    def stream(self, name: str) -> Iterator[ObjectStream]:
        """Read an object from its beginning; what was not finished is stopped at the end."""
        with self._streamed(self._stored(name)) as stream:
            yield stream

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of an object, as it was when it was stored."""
        piece = self._stored(name)
        return piece.content.sha256 if piece.content else ""

    def learn(self, piece: CatalogPiece, limit: int) -> bytes:
        """Read a piece of which the catalog knows only the name, and confirm it there."""
        with self._streamed(piece) as stream:
            content = stream.rest(limit)
        found = Content(len(content), hashlib.sha256(content).hexdigest())
        self.catalog.confirm(replace(piece, content=found))
        if len(content) <= MOST_KEPT_BYTES:
            self.catalog.keep(piece, content)
        return content

    def size(self, name: str) -> int:
        return self._stored(name).stored_size

    def exists(self, name: str) -> bool:
        """Whether it is stored, by the catalog and by the medium."""
        _refuse_unsafe(name)
        if name == IDENTITY_NAME:
            return self.medium.holds((self._newest(name) or self._piece(name, 1)).name)
        if (piece := self._newest(name)) is None:
            return False
        found = self.medium.holds(piece.name)
        if not found:
            prove_absence(self.medium, piece.name, self._piece(IDENTITY_NAME, 1).name)
        return found

    def holds(self, prefix: str) -> bool:
        return bool(self._below(prefix) or self.catalog.pieces(prefix))

    def list(self, prefix: str) -> Iterator[str]:
        names = {piece.object for piece in self._below(prefix) if piece.content is not None}
        yield from sorted(names)

    def remove(self, name: str) -> int:
        _refuse_unsafe(name)
        return sum(self._discard(piece) for piece in self.catalog.pieces(name))

    def remove_tree(self, prefix: str) -> int:
        """Remove all pieces; those that only the media manager can remove are forgotten."""
        pieces = self._below(prefix)
        # What is left of an interrupted removal must not look like a backup.
        ordered = sorted(pieces, key=lambda piece: not piece.object.endswith(MANIFEST_NAME))
        if pieces and not self.medium.can_remove:
            logger.info(
                "%d pieces of %s are left to its media manager: no command removes them",
                len(pieces),
                prefix,
                extra={"action": "pieces_left", "prefix": prefix},
            )
        return sum(self._discard(piece) for piece in ordered)

    def free_bytes(self) -> int | None:
        return None

    def total_bytes(self) -> int | None:
        return None

    def clock(self) -> datetime:
        """Return the time of this host: no medium has a clock that could be read."""
        return datetime.now(UTC)

    def stop(self) -> None:
        """End what is being read and written now, from another thread."""
        for each in list(self._open):
            each.kill()

    def _begin(self, piece: CatalogPiece, uuid: str) -> SequentialUpload:
        """Begin a piece, after the one before has ended."""
        self._writing.acquire()
        try:
            self.catalog.add(piece)
            sink = self.medium.store(piece.name)
        except BaseException:
            self.catalog.forget(piece)
            self._writing.release()
            raise
        self._open.add(sink)
        label = Label(uuid, piece.object, piece.block_bytes)

        def ended(result: CatalogPiece, stored: bool) -> None:
            self._open.discard(sink)
            try:
                if stored:
                    self.catalog.confirm(result)
                else:
                    self._drop(result)
            finally:
                self._writing.release()

        return SequentialUpload(piece, sink, label, ended)

    def _drop(self, piece: CatalogPiece) -> None:
        """Remove what the medium kept of a piece that was not confirmed."""
        try:
            self._discard(piece)
        except RepositoryError as exc:
            # Its row says that it was begun: the next removal of the folder tries again.
            logger.warning(
                "what was written of piece %s is not removed: %s",
                piece.name,
                exc,
                extra={"action": "piece_left", "piece": piece.name},
            )

    def _discard(self, piece: CatalogPiece) -> int:
        """Remove a piece; return its bytes, 0 where the medium goes on keeping them."""
        if self.medium.can_remove and not self.medium.remove(piece.name):
            prove_absence(self.medium, piece.name, self._piece(IDENTITY_NAME, 1).name)
        self.catalog.forget(piece)
        return piece.stored_size if self.medium.can_remove else 0

    @contextmanager
    def _streamed(self, piece: CatalogPiece) -> Iterator[ObjectStream]:
        label = Label(self._uuid, piece.object, piece.block_bytes)
        source = self.medium.fetch(piece.name, piece.block_bytes)
        self._open.add(source)
        try:
            payloads = read_blocks(source, piece.name, label, piece.content)
            sha256 = piece.content.sha256 if piece.content else ""
            yield ObjectStream(piece.object, payloads, sha256)
        finally:
            self._open.discard(source)
            source.abort()

    def _whole(self, piece: CatalogPiece) -> bytes:
        if self._last[0] == piece.name:
            return self._last[1]
        if (kept := self.catalog.kept(piece)) is not None:
            return kept
        with self._streamed(piece) as stream:
            content = stream.read(piece.stored_size)
            stream.finish()
        if len(content) <= MOST_KEPT_BYTES:
            self._last = (piece.name, content)
            if folder_of_manifest(piece.object):
                # So that a look at a backup mounts no tape.
                self.catalog.keep(piece, content)
        return content

    def _newest(self, name: str) -> CatalogPiece | None:
        return next((each for each in self.catalog.pieces(name) if each.content is not None), None)

    def _stored(self, name: str) -> CatalogPiece:
        _refuse_unsafe(name)
        if (piece := self._newest(name)) is None:
            raise RepositoryError(f"{name} could not be read: No such object in the catalog")
        return piece

    def _below(self, prefix: str) -> Sequence[CatalogPiece]:
        top = prefix.rstrip("/")
        _refuse_unsafe(top)
        return self.catalog.below(f"{top}/")

    def _piece(self, name: str, generation: int) -> CatalogPiece:
        piece = piece_name(self.prefix, name, generation)
        return CatalogPiece(name, generation, piece, self.medium.block_bytes)

    def _next_piece(self, name: str) -> CatalogPiece:
        """Return the first piece of an object whose name the medium does not have yet."""
        known = max((piece.generation for piece in self.catalog.pieces(name)), default=0)
        for number in range(known + 1, known + 1 + MOST_TAKEN):
            piece = self._piece(name, number)
            # Not all media managers refuse a name that is there: some write over it.
            if not self.medium.holds(piece.name):
                return piece
        raise RepositoryError(
            f"{self._address} has pieces 1 to {known + MOST_TAKEN} of {name} by its own word",
            hint="Check the command exists of the medium: exit code 0 is that a piece is there.",
        )


def sequential(store: ObjectStore) -> SequentialStore | None:
    """Return a store whose objects are read from the beginning; None of any other."""
    return store if isinstance(store, SequentialStore) else None


def _refuse_unsafe(name: str) -> None:
    if not is_safe_path(name):
        raise RepositoryError(f"object name {name!r} leads out of the repository")
