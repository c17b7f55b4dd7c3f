"""How does the catalog of pieces become complete again, from the medium itself?

The names of the pieces say which objects there are. A manifest is read, and says how long each pack
of its backup is and what its SHA-256 is. No pack is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from backups.archive.keys import Keyring
from backups.archive.manifest import MAX_MANIFEST_BYTES, open_manifest
from backups.archive.packs import pack_name
from backups.exceptions import BadInput, MooringError
from backups.repositories.layout import folder_of_manifest
from backups.repositories.sequential.blocks import Content
from backups.repositories.sequential.catalog import CatalogPiece
from backups.repositories.sequential.names import parse_piece
from backups.repositories.sequential.store import SequentialStore


@dataclass(frozen=True, slots=True)
class UnreadManifest:
    """A backup on the medium whose manifest could not be read."""

    folder: str
    error: str


def recover_pieces(
    store: SequentialStore,
    keyring: Keyring | None,
    names: Iterable[str] | None,
    check: Callable[[], None],
) -> Iterator[UnreadManifest]:
    """Add what is on the medium to the catalog; yield what could not be read.

    ``names`` are all pieces there; None has the medium list them.
    """
    for piece in _unknown(store, names):
        store.catalog.add(piece)
    manifests = [piece for piece in store.catalog.below("") if folder_of_manifest(piece.object)]
    stored = {piece.object for piece in manifests if piece.content is not None}
    for piece in manifests:
        check()
        if piece.object in stored:
            continue
        try:
            _read_manifest(store, piece, keyring)
        except MooringError as exc:
            yield UnreadManifest(piece.object, str(exc))


def _unknown(store: SequentialStore, names: Iterable[str] | None) -> list[CatalogPiece]:
    """Return the newest piece of each object that the catalog does not have."""
    listed = store.medium.names() if names is None else names
    if listed is None:
        raise BadInput(
            "this medium cannot list its pieces",
            hint="Give their names with --pieces FILE, one a line: from the media manager's "
            "own list.",
        )
    newest: dict[str, CatalogPiece] = {}
    for name in listed:
        parsed = parse_piece(store.prefix, name.strip())
        if parsed is None or _is_known(store, parsed.object, name.strip()):
            continue
        known = newest.get(parsed.object)
        if known is None or known.generation < parsed.generation:
            newest[parsed.object] = CatalogPiece(
                parsed.object, parsed.generation, name.strip(), store.medium.block_bytes
            )
    return list(newest.values())


def _is_known(store: SequentialStore, name: str, piece: str) -> bool:
    return any(piece == known.name for known in store.catalog.pieces(name))


def _read_manifest(store: SequentialStore, piece: CatalogPiece, keyring: Keyring | None) -> None:
    blob = store.learn(piece, MAX_MANIFEST_BYTES)
    manifest, _ = open_manifest(blob, keyring)
    folder = folder_of_manifest(piece.object)
    for pack in manifest.contents.packs:
        content = Content(pack.stored_bytes, pack.sha256)
        for found in store.catalog.pieces(f"{folder}/{pack_name(pack.number)}")[:1]:
            if found.content is None:
                store.catalog.confirm(replace(found, content=content))
