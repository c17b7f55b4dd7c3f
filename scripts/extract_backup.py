#!/usr/bin/env python3
"""How is a backup opened with the repository and the key alone, when nothing else is left?

    extract_backup.py REPOSITORY --list [--key-file FILE]
    extract_backup.py REPOSITORY [--label LABEL] [--key-file FILE] --to DIR [--only PREFIX]

One file, written from docs/format.md alone. It needs Python 3.11 and two libraries (pip install
zstandard cryptography) and writes only below DIR, which must be empty or new. REPOSITORY may also
be the folder of one backup. With a key, an unencrypted backup is refused. Exit code 0: every byte
is right and synced; 1: the backup is damaged or a disk failed; 2: not there or not allowed.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import struct
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAX_RAW, MAX_EXTENTS = 4 * 1024 * 1024, 16_384  # of one frame
MAX_SEALED = MAX_RAW + MAX_RAW // 128 + 1024 + 16 * MAX_EXTENTS + 16
MAX_BODY = 2 * 1024**3  # of a manifest, decompressed
ENVELOPE, SEALED_BODY, DIGEST = 0x184D2A50, 0x184D2A51, 0x184D2A52  # the parts of a manifest
FORMAT, PART_FRAME, PART_MANIFEST = 1, 1, 3
CIPHERS = {"none": 0, "aes-256-gcm": 1}

SKIPPABLE = struct.Struct("<II")  # magic, length
NONCE = struct.Struct("<IQ")  # part kind, part number
PACK_HEADER = struct.Struct("<8sHHI16s")  # magic, format, cipher, pack number, backup uuid
FRAME_HEADER = struct.Struct("<4sIII")  # magic, sealed length, raw length, frame number
EXTENT = struct.Struct("<IQI")  # file number, offset in the file, length

Extent = tuple[int, int, int]
Parsed = TypeVar("Parsed")


class DamagedError(Exception):
    """The backup is not what its writer wrote."""


class RefusedError(Exception):
    """What was asked for is not there or not allowed."""


def load_keys(path: Path | None) -> dict[str, bytes]:
    """Map the id of every key in the key file to its 32 bytes."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path else []
    except (OSError, ValueError) as exc:
        raise RefusedError(f"key file {path} cannot be read: {type(exc).__name__}") from None
    keys = {}
    for line_number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if found := re.fullmatch(r"mooring-key-1\s+([A-Za-z0-9+/]{43}=)", text):
            key = base64.b64decode(found[1])
            keys[hashlib.sha256(b"mooring key id\0" + key).hexdigest()[:16]] = key
        elif text:  # The line is never shown: even mistyped it is a secret.
            raise RefusedError(f"line {line_number} of {path} is not 'mooring-key-1 <base64>'")
    return keys


def decrypt(what: str, key: bytes, nonce: bytes, sealed: bytes, context: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, sealed, context)
    except (InvalidTag, ValueError):
        raise DamagedError(f"{what}: the seal does not open") from None


def decompress(what: str, compressed: bytes, limit: int) -> bytes:
    """Return the content of one zstd frame, and never allocate more than ``limit``."""
    try:
        size = zstandard.frame_content_size(compressed)
        if not 0 <= size <= limit:
            raise DamagedError(f"{what}: claims {size} bytes, {limit} are allowed")
        return zstandard.ZstdDecompressor().decompress(compressed, allow_extra_data=False)
    except zstandard.ZstdError as exc:
        raise DamagedError(f"{what}: does not decompress: {exc}") from None


def parse_json(what: str, text: bytes, build: Callable[[Any], Parsed]) -> Parsed:
    """Return what ``build`` makes of the JSON; anything unexpected in it is damage."""
    try:
        return build(json.loads(text))
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as exc:
        raise DamagedError(f"{what} is not as the format says: {exc!r}") from None


@dataclass
class Backup:
    """One backup as its envelope tells, and what opens its sealed parts."""

    uuid: bytes
    label: str
    cipher: str
    key_id: str
    wrapped_key: bytes
    body: bytes
    data_key: bytes = field(default=b"", repr=False)

    def unlock(self, keys: dict[str, bytes]) -> None:
        """Unwrap the data key."""
        if self.cipher == "none":
            return
        if self.key_id not in keys:
            at_hand = ", ".join(keys) or "none"
            raise RefusedError(f"{self.label} needs the key {self.key_id}; at hand: {at_hand}")
        what = f"the data key of {self.label} under the key {self.key_id}"
        context = b"mooring data key\0" + self.uuid + self.key_id.encode("ascii")
        nonce, wrapped = self.wrapped_key[:12], self.wrapped_key[12:]
        self.data_key = decrypt(what, keys[self.key_id], nonce, wrapped, context)

    def open(self, what: str, part: int, number: int, context: bytes, sealed: bytes) -> bytes:
        """Return the content of one sealed part, if it is what was sealed in this place."""
        nonce = NONCE.pack(part, number)
        if self.cipher != "none":
            return decrypt(what, self.data_key, nonce, sealed, context)
        bound = nonce + struct.pack("<I", len(context)) + context
        if hashlib.sha256(bound + sealed[:-16]).digest()[:16] != sealed[-16:]:
            raise DamagedError(f"{what}: the checksum does not match")
        return sealed[:-16]


class StoredFile(NamedTuple):
    number: int
    path: str
    size: int
    written: int
    first_pack: int
    last_pack: int


class Pack(NamedTuple):
    number: int
    stored: int
    sha256: str
    first_frame: int
    frames: int
    raw: int


def read_envelope(path: Path) -> Backup:
    """Return the backup, after checking the digest over the whole manifest."""
    content = path.read_bytes()
    signed = content[:-40]
    expected = SKIPPABLE.pack(DIGEST, 32) + hashlib.sha256(signed).digest()
    if content[-40:] != expected or len(signed) < SKIPPABLE.size:
        raise DamagedError(f"{path} is damaged or cut short: its SHA-256 does not match")
    magic, length = SKIPPABLE.unpack_from(signed)
    text, body = signed[SKIPPABLE.size :][:length], signed[SKIPPABLE.size + length :]
    if magic != ENVELOPE or not body:
        raise DamagedError(f"{path} does not begin with an envelope")
    return parse_json(f"the envelope of {path}", text, lambda parsed: build_backup(parsed, body))


def build_backup(parsed: Any, body: bytes) -> Backup:
    if parsed["mooring"] == "manifest" and parsed["format"] != FORMAT:
        raise RefusedError(f"a manifest has format {parsed['format']!r}; this reads {FORMAT}")
    known = parsed["mooring"] == "manifest" and parsed["cipher"] in CIPHERS
    if not known or not parsed["label"].isprintable():
        raise ValueError("no manifest of Mooring, or an unknown cipher")
    identity, key_id = uuid.UUID(parsed["backup"]).bytes, str(parsed["key_id"])
    wrapped = base64.b64decode(parsed["wrapped_key"], validate=True)
    return Backup(identity, parsed["label"], parsed["cipher"], key_id, wrapped, body)


def read_contents(backup: Backup, keys: dict[str, bytes]) -> tuple[list[StoredFile], list[Pack]]:
    """Return the files and the packs of the backup, after checking all that is said of them."""
    what, body = f"the body of the manifest of {backup.label}", backup.body
    backup.unlock(keys)
    if backup.cipher != "none":
        header, sealed = body[: SKIPPABLE.size], body[SKIPPABLE.size :]
        if header != SKIPPABLE.pack(SEALED_BODY, len(sealed)):
            raise DamagedError(f"{what} is not sealed")
        body = backup.open(what, PART_MANIFEST, 0, backup.uuid, sealed)
    text = decompress(what, body, min(MAX_BODY, (4 << 20) + 64 * len(body)))
    return parse_json(what, text, lambda parsed: build_contents(backup, parsed))


def build_contents(backup: Backup, parsed: Any) -> tuple[list[StoredFile], list[Pack]]:
    about, contents = parsed["about"], parsed["contents"]
    if uuid.UUID(about["uuid"]).bytes != backup.uuid or about["label"] != backup.label:
        raise ValueError("it speaks of another backup than its envelope")
    files = [StoredFile(*row) for row in contents["files"]]
    packs = [Pack(*row) for row in contents["packs"]]
    rows: list[StoredFile | Pack] = [*files, *packs]
    for name, value in (pair for row in rows for pair in row._asdict().items()):
        wanted = str if name in ("path", "sha256") else int
        if type(value) is not wanted or (isinstance(value, int) and value < 0):
            raise ValueError(f"{name} is {value!r}")
    for path in (stored.path for stored in files):
        if b"\0" in path.encode() or {"", ".", ".."} & set(path.split("/")):
            raise ValueError(f"unsafe path {path!r}")
    if len({f.path for f in files}) != len(files) or len({f.number for f in files}) != len(files):
        raise ValueError("two files share a path or a number")
    next_frame = 0
    for position, pack in enumerate(packs, 1):
        if (pack.number, pack.first_frame) != (position, next_frame):
            raise ValueError(f"pack {pack.number} is out of order")
        next_frame += pack.frames
    return files, packs


@dataclass
class PackReader:
    """Reads one pack from its first byte to its last, and hashes it on the way."""

    stream: BinaryIO
    name: str
    pack: Pack
    backup: Backup
    position: int = 0
    sha256: Any = field(default_factory=hashlib.sha256)

    def frames(self) -> Iterator[tuple[list[Extent], bytes]]:
        """Yield the extents and the content of each frame, and check the whole at the end."""
        size = os.fstat(self.stream.fileno()).st_size
        self.expect(size == self.pack.stored, f"has {size} bytes, not {self.pack.stored}")
        place = (CIPHERS[self.backup.cipher], self.pack.number, self.backup.uuid)
        header = PACK_HEADER.pack(b"MOORPACK", FORMAT, *place)
        self.expect(self.take(PACK_HEADER.size) == header, "its header is damaged, or another's")
        raw = 0
        for number in range(self.pack.first_frame, self.pack.first_frame + self.pack.frames):
            extents, content = self.read_frame(number)
            raw += len(content)
            yield extents, content
        self.expect(raw == self.pack.raw, f"holds {raw} raw bytes instead of {self.pack.raw}")
        # Footer and trailer, for readers that have no manifest: covered by the hash like all else.
        while self.position < size:
            self.take(min(MAX_RAW, size - self.position))
        self.expect(self.sha256.hexdigest() == self.pack.sha256, "its SHA-256 does not match")

    def read_frame(self, number: int) -> tuple[list[Extent], bytes]:
        what = f"{self.name}: frame {number} at byte {self.position}"
        magic, length, raw, found = FRAME_HEADER.unpack(header := self.take(FRAME_HEADER.size))
        sane = magic == b"MFR1" and found == number and raw <= MAX_RAW and length <= MAX_SEALED
        self.expect(sane, "its header is damaged", what)
        sealed = self.take(length)
        opened = self.backup.open(what, PART_FRAME, number, header + self.backup.uuid, sealed)
        count = int.from_bytes(opened[:4], "little")
        begin = 4 + EXTENT.size * count
        self.expect(count <= MAX_EXTENTS and begin <= len(opened), "bad extents", what)
        extents = list(EXTENT.iter_unpack(opened[4:begin]))
        content = decompress(what, opened[begin:], raw)
        lengths = {len(content), raw, sum(length for _, _, length in extents)}
        self.expect(len(lengths) == 1, f"its lengths disagree: {lengths}", what)
        return extents, content

    def take(self, length: int) -> bytes:
        taken = self.stream.read(length)
        self.expect(len(taken) == length, f"ends early at byte {self.position + len(taken)}")
        self.sha256.update(taken)
        self.position += length
        return taken

    def expect(self, right: bool, message: str, what: str = "") -> None:
        if not right:
            raise DamagedError(f"{what or self.name}: {message}")


class Target:
    """The files being written: at their final size from the start, so that holes stay holes."""

    def __init__(self, root: Path, files: Sequence[StoredFile]) -> None:
        self.root, self.files = root, {stored.number: stored for stored in files}
        self.written = dict.fromkeys(self.files, 0)
        for stored in files:
            path = root / stored.path
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as created:
                created.truncate(stored.size)

    def apply(self, pack: Pack, extents: list[Extent], content: bytes) -> None:
        """Write the extents in their order, so that a later phase overrides an earlier one."""
        rest = memoryview(content)
        for number, offset, length in extents:
            piece, rest = rest[:length], rest[length:]
            if (stored := self.files.get(number)) is None:
                continue  # not asked for, or deleted on the server during the copy
            in_pack = stored.first_pack <= pack.number <= stored.last_pack
            if not in_pack or offset + length > stored.size:
                raise DamagedError(f"{stored.path}: an extent at {offset} is out of its bounds")
            with open(self.root / stored.path, "r+b") as target:
                target.seek(offset)
                target.write(piece)
            self.written[number] += length

    def check_complete(self) -> None:
        for number, stored in self.files.items():
            if self.written[number] != stored.written:
                raise DamagedError(f"{stored.path}: has {self.written[number]} of its bytes")
        for path in (self.root, *self.root.rglob("*")):  # A disk may refuse late: fsync says so.
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


def find_manifests(repository: Path, label: str | None = None) -> list[Path]:
    """Return the manifest of every backup: a folder without one is not a backup."""
    patterns = ("instances/*/backups/*/manifest.json.zst", "manifest.json.zst")
    if not (found := sorted(path for pattern in patterns for path in repository.glob(pattern))):
        raise RefusedError(f"no backup with a manifest in {repository}")
    return [path for path in found if label in (None, path.parent.name)]


def list_backups(repository: Path, keys: dict[str, bytes]) -> None:
    damaged = 0
    for path in find_manifests(repository):
        try:
            backup = read_envelope(path)
            line = f"{backup.label}  {backup.key_id or 'not encrypted'}  {path.parent}"
            if backup.cipher == "none" or backup.key_id in keys:
                files, packs = read_contents(backup, keys)
                size, stored = sum(f.size for f in files), sum(p.stored for p in packs)
                line += f"  {len(files)} files, {size} bytes, {stored} stored"
            print(line)
        except DamagedError as exc:
            damaged += 1
            print(exc)
    if damaged:
        raise DamagedError(f"{damaged} manifests are damaged")


def choose_manifest(repository: Path, label: str | None) -> Path:
    if len(found := find_manifests(repository, label)) != 1:
        raise RefusedError(f"{len(found)} backups fit: see --list, then give --label or its folder")
    return found[0]


def extract(path: Path, keys: dict[str, bytes], directory: Path, only: str, plain: bool) -> None:
    """Write the files below ``directory``, reading only the packs that hold some of them."""
    backup = read_envelope(path)
    if backup.label != path.parent.name and path.parent.parent.name == "backups":
        raise RefusedError(f"{path.parent} holds another backup, {backup.label}")
    if keys and backup.cipher == "none" and not plain:  # Anybody can write one, without a key.
        raise RefusedError(f"{backup.label} is not encrypted: --allow-plain, if it never was")
    all_files, packs = read_contents(backup, keys)
    files = [stored for stored in all_files if stored.path.startswith(only)]
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(directory.iterdir()):
        raise RefusedError(f"{directory} is not empty")
    if not files:
        raise RefusedError(f"no file of {backup.label} begins with {only!r}")
    target = Target(directory, files)
    spans = {(stored.first_pack, stored.last_pack) for stored in files}
    for pack in packs:
        if only and not any(first <= pack.number <= last for first, last in spans):
            continue
        name = f"packs/{pack.number:06}.pack"
        print(f"{name} of {len(packs)}", file=sys.stderr)
        with (path.parent / name).open("rb") as stream:
            for extents, content in PackReader(stream, name, pack, backup).frames():
                target.apply(pack, extents, content)
    target.check_complete()
    print(f"{backup.label}: {len(files)} files are in {directory}, every byte checked")
    print("They are a raw copy: see section 7 of docs/format.md before a server starts on them.")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Extract a Mooring backup without Mooring.")
    parser.add_argument("repository", type=Path)
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--list", action="store_true", help="show the backups of the repository")
    wanted.add_argument("--to", type=Path, metavar="DIR", help="an empty folder, or a new one")
    parser.add_argument("--label", help="which backup; not needed when there is only one")
    parser.add_argument("--key-file", type=Path, help="not needed when it is not encrypted")
    parser.add_argument("--allow-plain", action="store_true", help="take one without encryption")
    parser.add_argument("--only", default="", metavar="PREFIX", help="only paths that begin so")
    options = parser.parse_args(arguments)
    try:
        keys = load_keys(options.key_file)
        if options.list:
            list_backups(options.repository, keys)
        else:
            found = choose_manifest(options.repository, options.label)
            extract(found, keys, options.to, options.only, options.allow_plain)
    except RefusedError as exc:
        print(f"refused: {exc}", file=sys.stderr)
        return 2
    except (DamagedError, OSError, KeyboardInterrupt) as exc:
        warning = "" if options.list else f"; what is in {options.to} is not whole, do not use it"
        print(f"failed: {str(exc) or 'interrupted'}{warning}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
