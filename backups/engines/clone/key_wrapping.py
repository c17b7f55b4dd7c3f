"""How are the keys of encrypted files stored in a backup, and never in the clear?

A donor sends them unwrapped: in page 0 of tablespaces, in redo headers, and in the announcement of
files created meanwhile. Each is wrapped with a master key that only this backup has, before any
other part of Mooring sees it. The keys in the file copy are still wrapped with the donor's master
key, and useless; the page copy sends every page 0 again.
"""

from __future__ import annotations

from dataclasses import dataclass

from backups.clone_protocol import Block, FileAnnounced, FileChanged, FileFlag, FileKey
from backups.exceptions import EngineError
from backups.innodb.encryption import (
    INFO_BYTES,
    REDO_OFFSET,
    KeyDamaged,
    MasterKey,
    build_encrypted_first_page,
    build_info,
    build_keyring,
    info_offset,
    is_unwrapped,
    new_master_key,
    put_info,
    wrap,
)
from backups.innodb.pages import page_size_of


@dataclass(slots=True)
class _Encrypted:
    """An encrypted file, as far as the donor has reported."""

    path: str
    # Whether its key is in the copy, under our master key.
    has_key: bool = False


class KeyWrapping:
    """The keys of one clone."""

    def __init__(self, *, sealed: bool) -> None:
        """``sealed``: whether the archive is encrypted."""
        self._sealed = sealed
        self._master: MasterKey | None = None
        self._files: dict[FileKey, _Encrypted] = {}

    @property
    def file_count(self) -> int:
        """How many files of the copy are encrypted."""
        return len(self._files)

    def keyring(self) -> bytes | None:
        """Return the keyring file that opens the copy; None where nothing is encrypted."""
        return build_keyring(self._master) if self._master else None

    def announce(self, file: FileAnnounced) -> None:
        if file.flags & (FileFlag.AES | FileFlag.KEY):
            self._add(file.file, file.path)

    def change(self, change: FileChanged, path: str) -> None:
        """Record a change of a file."""
        known = self._files.get(change.file)
        if change.deleted or not change.flags & (FileFlag.AES | FileFlag.KEY):
            self._files.pop(change.file, None)
        elif known is None:
            self._add(change.file, path)
        else:
            known.path = path

    def first_page(self, file: FileAnnounced, server_version: int) -> bytes | None:
        """Return page 0 of a file created meanwhile, with its key; None without a key."""
        if not file.flags & FileFlag.KEY:
            return None
        info = build_info(file.key + file.iv, self._key())
        self._files[file.file].has_key = True
        return build_encrypted_first_page(file.space_id, file.fsp_flags, server_version, info)

    def wrap(self, block: Block, path: str, fsp_flags: int) -> memoryview:
        """Return the bytes of a block, with any unwrapped key in them wrapped."""
        try:
            if block.file.is_redo:
                return self._wrap_redo(block, path)
            if block.offset == 0:
                return self._wrap_page(block, path, fsp_flags)
        except KeyDamaged as exc:
            raise EngineError(
                f"{path}: {exc}", hint="Take the backup again; if the error persists, report it."
            ) from None
        return block.payload

    def check_complete(self) -> None:
        """Raise EngineError if the key of an encrypted file is missing."""
        if without := sorted(file.path for file in self._files.values() if not file.has_key):
            raise EngineError(
                f"the donor sent no key for {without[0]} ({len(without)} files in all): it became "
                "encrypted while it was copied",
                hint="Take the backup again while no encryption is being changed.",
            )

    def _wrap_redo(self, block: Block, path: str) -> memoryview:
        start = REDO_OFFSET - block.offset
        info = block.payload[max(start, 0) : max(start + INFO_BYTES, 0)]
        if start < 0 or len(info) < INFO_BYTES or not is_unwrapped(info):
            return block.payload
        changed = bytearray(block.payload)
        changed[start : start + INFO_BYTES] = wrap(info, self._key())
        self._found(block.file, path)
        return memoryview(bytes(changed))

    def _wrap_page(self, block: Block, path: str, fsp_flags: int) -> memoryview:
        size = page_size_of(fsp_flags)
        start = info_offset(size)
        info = block.payload[start : start + INFO_BYTES]
        if len(block.payload) < size.physical or not is_unwrapped(info):
            return block.payload
        page = bytes(block.payload[: size.physical])
        page = put_info(page, wrap(info, self._key()), size)
        self._found(block.file, path)
        return memoryview(page + bytes(block.payload[size.physical :]))

    def _found(self, key: FileKey, path: str) -> None:
        if key not in self._files:
            self._add(key, path)
        self._files[key].has_key = True

    def _add(self, key: FileKey, path: str) -> None:
        if not self._sealed:
            raise EngineError(
                f"the server encrypts {path}, and the repository is not encrypted: the keys of "
                "its files would be readable there",
                hint="Use an encrypted repository for this instance.",
            )
        self._files[key] = _Encrypted(path)

    def _key(self) -> MasterKey:
        if self._master is None:
            self._master = new_master_key()
        return self._master
