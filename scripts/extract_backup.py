#!/usr/bin/env python3
"""How is a backup opened with the repository and the key alone, when nothing else is left?

    extract_backup.py REPOSITORY --list [--key-file FILE]
    extract_backup.py REPOSITORY [--label LABEL] [--key-file FILE] --to DIR [--only PREFIX]

One file, however long, so that it can be kept beside the key and copied alone (decision 0001);
written from docs/format.md alone. It needs Python 3.11 and two libraries (pip install
zstandard cryptography) and writes only below DIR, which must be empty or new. REPOSITORY may also
be the folder of one backup; what the backup needs is in folders beside it. It may also be a file
that exportbackup wrote. With the library blake3
too, blocks from other backups are checked once more. With a key, an unencrypted backup is refused.
Exit code 0: every byte is right and synced; 1: a backup is damaged or a disk failed; 2: not there
or not allowed.
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
import tarfile
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple, TypeVar

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

try:
    import blake3
except ImportError:
    blake3 = None  # type: ignore[assignment]

MAX_RAW, MAX_EXTENTS = 4 * 1024 * 1024, 16_384  # of one frame
MAX_SEALED = MAX_RAW + MAX_RAW // 128 + 1024 + 16 * MAX_EXTENTS + 16
MAX_MANIFEST = 128 * 1024**2
MAX_BODY = 2 * 1024**3  # of a manifest, decompressed
ENVELOPE, SEALED_BODY, DIGEST = 0x184D2A50, 0x184D2A51, 0x184D2A52  # the parts of a manifest
CONTENT, DIFFERENCES = b"MFR1", b"MFR2"  # the magics of frames
FORMATS, PACK_FORMAT, PART_FRAME, PART_MANIFEST = (1, 2), 1, 1, 3
BLOCK, PIECE_BLOCKS, MOST_BACKUPS, MOST_SHARED = 16 * 1024, 4096, 200, 32  # of tables of blocks
TABLE_FILE, ZEROS, UNKNOWN = 0xFFFFFFFF, 255, bytes(8)
CIPHERS = {"none": 0, "aes-256-gcm": 1}

SKIPPABLE = struct.Struct("<II")  # magic, length
NONCE = struct.Struct("<IQ")  # part kind, part number
PACK_HEADER = struct.Struct("<8sHHI16s")  # magic, format, cipher, pack number, backup uuid
FRAME_HEADER = struct.Struct("<4sIII")  # magic, sealed length, raw length, frame number
EXTENT = struct.Struct("<IQI")  # file number, offset in the file, length
CHANGE = struct.Struct("<IQ8s")  # file number, block, hash

Extent = tuple[int, int, int]
Parsed = TypeVar("Parsed")


class DamagedError(Exception):
    """The backup is not what its writer wrote."""


class RefusedError(Exception):
    """What was requested is not there or not allowed."""


def load_keys(path: Path | None) -> dict[str, bytes]:
    """Map the id of every key in the key file to its 32 bytes."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path else []
    except (OSError, ValueError) as exc:
        raise RefusedError(f"key file {path} cannot be read: {type(exc).__name__}") from None
    keys = {}
    for line_number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if match := re.fullmatch(r"mooring-key-1\s+([A-Za-z0-9+/]{43}=)", text):
            key = base64.b64decode(match[1])
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
        raise DamagedError(f"{what} does not follow the format: {exc!r}") from None


@dataclass(order=True, frozen=True)
class InFile:
    """A path in an exported file, as far as it is used like one in a folder."""

    inside: PurePosixPath
    file: tarfile.TarFile = field(compare=False)

    def __str__(self) -> str:
        return f"{self.file.name!s}:{self.inside}"

    def __truediv__(self, name: str) -> InFile:
        return InFile(self.inside / name, self.file)

    @property
    def name(self) -> str:
        return self.inside.name

    @property
    def parent(self) -> InFile:
        return InFile(self.inside.parent, self.file)

    def glob(self, pattern: str) -> list[InFile]:
        paths = (PurePosixPath(member.name) for member in self.file if member.isreg())
        return [InFile(path, self.file) for path in paths if path.match(pattern)]

    def is_file(self) -> bool:
        return str(self.inside) in self.file.getnames()

    def open(self, _: str) -> BinaryIO:
        if not self.is_file() or not (stream := self.file.extractfile(str(self.inside))):
            raise DamagedError(f"{self} is missing")
        return stream  # type: ignore[return-value]


def place_of(path: Path) -> Path | InFile:
    try:
        return InFile(PurePosixPath(), tarfile.open(path, "r:")) if path.is_file() else path
    except tarfile.TarError as exc:
        raise RefusedError(f"{path} is a file, and not an exported backup: {exc}") from None


@dataclass
class Backup:
    """One backup as its envelope tells, and what opens its sealed parts."""

    uuid: bytes
    label: str
    cipher: str
    key_id: str
    wrapped_key: bytes
    body: bytes
    format: int
    folder: Path | InFile
    data_key: bytes = field(default=b"", repr=False)

    @property
    def digest(self) -> str:
        """What another backup that needs this one knows of its manifest."""
        named = f"mooring manifest\0{uuid.UUID(bytes=self.uuid)}\0{self.label}\0{self.cipher}\0"
        return hashlib.sha256(named.encode() + self.body).hexdigest()

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


class Ancestor(NamedTuple):
    uuid: str
    label: str
    digest: str


class Part(NamedTuple):
    """A part of the table's stream: a piece of one file, or changes."""

    offset: int
    length: int
    file: int | None
    first_block: int
    blocks: int


@dataclass
class Contents:
    files: list[StoredFile]
    packs: list[Pack]
    key: bytes = b""
    ancestors: list[Ancestor] = field(default_factory=list)  # the full one first
    parts: list[Part] = field(default_factory=list)
    frames: dict[int, tuple[int, int]] = field(default_factory=dict)  # number: offset, length
    sources: dict[int, list[int]] = field(default_factory=dict)
    differences: int = 0  # frames that are XORed with what the full one has


class Frame(NamedTuple):
    extents: list[Extent]
    content: bytes
    differs: bool  # the content is XORed


def read_envelope(path: Path | InFile) -> Backup:
    """Return the backup, after checking the digest over the whole manifest."""
    with path.open("rb") as stream:
        if stream.seek(0, os.SEEK_END) > MAX_MANIFEST:
            raise DamagedError(f"{path} is larger than any manifest")
        stream.seek(0)
        content = stream.read()
    signed = content[:-40]
    expected = SKIPPABLE.pack(DIGEST, 32) + hashlib.sha256(signed).digest()
    if content[-40:] != expected or len(signed) < SKIPPABLE.size:
        raise DamagedError(f"{path} is damaged or cut short: its SHA-256 does not match")
    magic, length = SKIPPABLE.unpack_from(signed)
    text, body = signed[SKIPPABLE.size :][:length], signed[SKIPPABLE.size + length :]
    if magic != ENVELOPE or not body:
        raise DamagedError(f"{path} does not begin with an envelope")
    build = partial(build_backup, body=body, folder=path.parent)
    return parse_json(f"the envelope of {path}", text, build)


def build_backup(parsed: Any, body: bytes, folder: Path | InFile) -> Backup:
    form = parsed["format"]
    if parsed["mooring"] == "manifest" and (type(form) is not int or form not in FORMATS):
        raise RefusedError(f"a manifest has format {form!r}; this reads 1 and 2")
    known = parsed["mooring"] == "manifest" and parsed["cipher"] in CIPHERS
    if not known or not parsed["label"].isprintable():
        raise ValueError("no manifest of Mooring, or an unknown cipher")
    identity, key_id = uuid.UUID(parsed["backup"]).bytes, str(parsed["key_id"])
    wrapped = base64.b64decode(parsed["wrapped_key"], validate=True)
    label, cipher = parsed["label"], parsed["cipher"]
    return Backup(identity, label, cipher, key_id, wrapped, body, form, folder)


def read_contents(backup: Backup, keys: dict[str, bytes]) -> Contents:
    """Return what the backup consists of, after checking all that is said of it."""
    what, body = f"the body of the manifest of {backup.label}", backup.body
    backup.unlock(keys)
    if backup.cipher != "none":
        header, sealed = body[: SKIPPABLE.size], body[SKIPPABLE.size :]
        if header != SKIPPABLE.pack(SEALED_BODY, len(sealed)):
            raise DamagedError(f"{what} is not sealed")
        body = backup.open(what, PART_MANIFEST, 0, backup.uuid, sealed)
    text = decompress(what, body, min(MAX_BODY, (4 << 20) + 64 * len(body)))
    return parse_json(what, text, lambda parsed: build_contents(backup, parsed))


def build_contents(backup: Backup, parsed: Any) -> Contents:
    about, contents = parsed["about"], parsed["contents"]
    if uuid.UUID(about["uuid"]).bytes != backup.uuid or about["label"] != backup.label:
        raise ValueError("it describes another backup than its envelope")
    files = [StoredFile(*row) for row in contents["files"]]
    packs = [Pack(*row) for row in contents["packs"]]
    rows: list[StoredFile | Pack] = [*files, *packs]
    for name, value in (pair for row in rows for pair in row._asdict().items()):
        wanted = str if name in ("path", "sha256") else int
        if type(value) is not wanted or (isinstance(value, int) and not 0 <= value < 1 << 63):
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
    if any(stored.number == TABLE_FILE for stored in files):
        raise ValueError("a file has the number of the block table")
    built = Contents(files, packs)
    blocks = contents.get("blocks", {"ancestors": []})
    if bool(blocks["ancestors"]) != (backup.format == 2):
        raise ValueError("its envelope and its block table disagree whether it needs others")
    if blocks["ancestors"]:
        add_blocks(built, blocks)
    return built


def add_blocks(contents: Contents, blocks: Any) -> None:
    """Add what is said of the blocks of a backup that needs others."""
    contents.key = bytes.fromhex(blocks["key"])
    contents.ancestors = [Ancestor(*row) for row in blocks["ancestors"]]
    if len(contents.key) != 32 or blocks["block_bytes"] != BLOCK:
        raise ValueError("its blocks are of another kind")
    if len(contents.ancestors) >= MOST_BACKUPS:
        raise ValueError(f"it needs {len(contents.ancestors)} backups")
    for ancestor in contents.ancestors:
        if (
            {"", ".", ".."} & {ancestor.label}
            or "/" in ancestor.label
            or not ancestor.label.isprintable()
        ):
            raise ValueError(f"unsafe label {ancestor.label!r}")
    rows = [*blocks["frames"], *blocks["pieces"], *blocks["changes"]]
    contents.differences = blocks.get("differences", 0)
    rows.append([contents.differences])
    for row in rows + [[file, *numbers] for file, numbers in blocks["sources"]]:
        if any(type(value) is not int or not 0 <= value < 1 << 63 for value in row):
            raise ValueError(f"its table has {row!r}"[:200])
    contents.frames = {number: (offset, length) for number, offset, length in blocks["frames"]}
    pieces = [Part(at, 9 * n, file, first, n) for file, first, n, at in blocks["pieces"]]
    changes = [Part(at, CHANGE.size * n, None, 0, n) for at, n in blocks["changes"]]
    contents.parts, end = sorted(pieces + changes, key=lambda part: part.offset), 0
    for part in contents.parts:
        if part.offset < end or not part.length or part.first_block % PIECE_BLOCKS:
            raise ValueError(f"its table is out of order at {part.offset}")
        if part.file is not None and (part.blocks > PIECE_BLOCKS or part.first_block >> 49):
            raise ValueError(f"a piece of its table has {part.blocks} blocks: {part}")
        end = part.offset + part.length
    contents.sources = {file: list(numbers) for file, numbers in blocks["sources"]}
    if any(len(numbers) != len(contents.ancestors) for numbers in contents.sources.values()):
        raise ValueError("its files come from another chain")
    shared = Counter(use for row in contents.sources.values() for use in enumerate(row) if use[1])
    if any(count > MOST_SHARED for count in shared.values()):
        raise ValueError("too many of its files come from one file")


@dataclass
class PackReader:
    """Reads one pack from its first byte to its last, and hashes it on the way."""

    stream: BinaryIO
    name: str
    pack: Pack
    backup: Backup
    differences: int  # how many frames of the backup may be such
    position: int = 0
    sha256: Any = field(default_factory=hashlib.sha256)

    def frames(self) -> Iterator[Frame]:
        """Yield each frame, and check the whole at the end."""
        size = self.stream.seek(0, os.SEEK_END)
        self.stream.seek(0)
        self.expect(size == self.pack.stored, f"has {size} bytes, not {self.pack.stored}")
        place = (CIPHERS[self.backup.cipher], self.pack.number, self.backup.uuid)
        header = PACK_HEADER.pack(b"MOORPACK", PACK_FORMAT, *place)
        self.expect(self.take(PACK_HEADER.size) == header, "its header is damaged, or another's")
        raw = 0
        for number in range(self.pack.first_frame, self.pack.first_frame + self.pack.frames):
            yield (frame := self.read_frame(number))
            raw += len(frame.content)
        self.expect(raw == self.pack.raw, f"holds {raw} raw bytes instead of {self.pack.raw}")
        # Footer and trailer, for readers that have no manifest: covered by the hash like all else.
        while self.position < size:
            self.take(min(MAX_RAW, size - self.position))
        self.expect(self.sha256.hexdigest() == self.pack.sha256, "its SHA-256 does not match")

    def some_frames(self, wanted: Callable[[int, bytes], bool]) -> Iterator[tuple[int, Frame]]:
        """Yield frames by number and magic; others are passed over, the whole is not checked."""
        self.take(PACK_HEADER.size)
        for number in range(self.pack.first_frame, self.pack.first_frame + self.pack.frames):
            magic, length, _, _ = FRAME_HEADER.unpack(self.take(FRAME_HEADER.size))
            if wanted(number, magic):
                self.stream.seek(self.position - FRAME_HEADER.size)
                self.position -= FRAME_HEADER.size
                yield number, self.read_frame(number)
            else:
                self.stream.seek(length, os.SEEK_CUR)
                self.position += length

    def read_frame(self, number: int) -> Frame:
        what = f"{self.name}: frame {number} at byte {self.position}"
        magic, length, raw, stated = FRAME_HEADER.unpack(header := self.take(FRAME_HEADER.size))
        sane = stated == number and raw <= MAX_RAW and length <= MAX_SEALED
        self.expect(sane and magic in (CONTENT, DIFFERENCES), "its header is damaged", what)
        sealed = self.take(length)
        opened = self.backup.open(what, PART_FRAME, number, header + self.backup.uuid, sealed)
        count = int.from_bytes(opened[:4], "little")
        begin = 4 + EXTENT.size * count
        self.expect(count <= MAX_EXTENTS and begin <= len(opened), "bad extents", what)
        extents = list(EXTENT.iter_unpack(opened[4:begin]))
        content = decompress(what, opened[begin:], raw)
        lengths = {len(content), raw, sum(length for _, _, length in extents)}
        self.expect(len(lengths) == 1, f"its lengths disagree: {lengths}", what)
        if magic == DIFFERENCES:
            right = all(n and not n % BLOCK and not at % BLOCK for _, at, n in extents)
            self.expect(
                right and self.differences > 0, "it holds differences, and should not", what
            )
        return Frame(extents, content, magic == DIFFERENCES)

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

    def apply(self, pack: Pack, frame: Frame) -> None:
        """Write the extents in their order, so that a later phase overrides an earlier one."""
        rest = memoryview(frame.content)
        for number, offset, length in frame.extents:
            piece, rest = rest[:length], rest[length:]
            if (stored := self.files.get(number)) is None:
                continue  # not requested, or deleted on the server during the copy
            in_pack = stored.first_pack <= pack.number <= stored.last_pack
            if not in_pack or offset + length > stored.size:
                raise DamagedError(f"{stored.path}: an extent at {offset} is out of its bounds")
            self.write(stored, offset, piece, frame.differs)
            self.written[number] += length

    def write(self, stored: StoredFile, at: int, piece: bytes | memoryview, differs: bool) -> None:
        with open(self.root / stored.path, "r+b") as target:
            if differs:  # from the full backup's bytes, which were written before
                target.seek(at)
                before = int.from_bytes(target.read(len(piece)), "little")
                piece = (int.from_bytes(piece, "little") ^ before).to_bytes(len(piece), "little")
            target.seek(at)
            target.write(piece)

    def check_complete(self) -> None:
        for number, stored in self.files.items():
            if self.written[number] != stored.written:
                raise DamagedError(f"{stored.path}: has {self.written[number]} of its bytes")
        for path in (self.root, *self.root.rglob("*")):  # A disk may refuse late: fsync says so.
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


def open_pack(backup: Backup, contents: Contents, pack: Pack) -> PackReader:
    name = f"packs/{pack.number:06}.pack"
    print(f"{backup.label}: {name} of {len(contents.packs)}", file=sys.stderr)
    stream = (backup.folder / name).open("rb")
    return PackReader(stream, name, pack, backup, contents.differences)


def packs_of(contents: Contents, files: Iterable[StoredFile]) -> list[Pack]:
    """Return the packs that hold something of the files."""
    spans = {(stored.first_pack, stored.last_pack) for stored in files}
    held = (any(first <= pack.number <= last for first, last in spans) for pack in contents.packs)
    return [pack for pack, holds in zip(contents.packs, held, strict=True) if holds]


def table_parts(backup: Backup, contents: Contents) -> Iterator[tuple[Part, bytes]]:
    """Yield the parts of the block table in the order of its stream."""
    parts = deque(contents.parts)
    for pack in contents.packs:
        numbers = range(pack.first_frame, pack.first_frame + pack.frames)
        if not any(number in numbers for number in contents.frames):
            continue
        with (reader := open_pack(backup, contents, pack)).stream:
            frames = reader.some_frames(lambda number, _: number in contents.frames)
            for number, (extents, content, differs) in frames:
                offset, length = contents.frames[number]
                right = extents == [(TABLE_FILE, offset, length)] and not differs
                reader.expect(right, f"frame {number} is not a part of the block table")
                while parts and parts[0].offset + parts[0].length <= offset + length:
                    part = parts.popleft()
                    reader.expect(part.offset >= offset, f"the block table lacks {part}")
                    yield part, content[part.offset - offset :][: part.length]
    if parts:
        raise DamagedError(f"{backup.label}: no frame has {parts[0]} of the block table")


def open_ancestors(
    backup: Backup, contents: Contents, keys: dict[str, bytes]
) -> list[tuple[Backup, Contents]]:
    """Return what a backup needs, which is in the folders beside it. The full one is the first."""
    folder = backup.folder
    beside = (Path(os.path.abspath(folder)) if isinstance(folder, Path) else folder).parent
    paths = [beside / ancestor.label / "manifest.json.zst" for ancestor in contents.ancestors]
    if missing := [path.parent.name for path in paths if not path.is_file()]:
        raise RefusedError(f"{backup.label} needs {', '.join(missing)}: not a backup in {beside}")
    opened = []
    for path, recorded in zip(paths, contents.ancestors, strict=True):
        other = read_envelope(path)
        if (str(uuid.UUID(bytes=other.uuid)), other.label, other.digest) != recorded:
            raise RefusedError(
                f"{path.parent} is not the {recorded.label} that {backup.label} needs"
            )
        opened.append((other, read_contents(other, keys)))
    return opened


class Assembly:
    """Which blocks of the files are in the backups that the wanted one needs."""

    def __init__(self, chain: Sequence[tuple[Backup, Contents]], target: Target) -> None:
        self.chain, self.target = chain, target
        self.backup, self.contents = chain[-1]
        self.places: dict[int, dict[int, bytes]] = {}  # by file, by first block / PIECE_BLOCKS
        self.differing: dict[
            int, dict[int, bytearray]
        ] = {}  # the same, 1 where a difference is stored
        self.changes: dict[tuple[int, int], bytes] = {}  # by file and block: its final hash
        for part, content in table_parts(self.backup, self.contents):
            if part.file is None:
                rows = CHANGE.iter_unpack(content)
                self.changes |= {(file, block): digest for file, block, digest in rows}
            elif part.file in target.files:
                pieces = self.places.setdefault(part.file, {})
                pieces[part.first_block // PIECE_BLOCKS] = content[8 * part.blocks :]

    def take(self) -> None:
        """Write the blocks that are in other backups. What is nowhere is zeros already."""
        used = {file: set().union(*pieces.values()) for file, pieces in self.places.items()}
        for file, numbers in used.items():
            if beyond := numbers - {ZEROS, *range(len(self.chain))}:
                raise DamagedError(f"{self.target.files[file].path} needs backups {beyond}")
        self.find_differences(used)
        for depth in range(len(self.chain) - 1):
            uses = self.uses_at(depth, (file for file, depths in used.items() if depth in depths))
            if not depth:  # With what differences are of.
                for file in self.differing.keys() - {s.number for v in uses.values() for s in v}:
                    source = self.contents.sources.get(file, [0])[0]
                    uses.setdefault(source, []).append(self.target.files[file])
            self.take_from(depth, uses)

    def find_differences(self, used: dict[int, set[int]]) -> None:
        """Find the blocks of which differences are stored: those of the full one come before."""
        for depth, (backup, contents) in enumerate(self.chain):
            if not contents.differences:
                continue
            uses = self.uses_at(depth, (file for file, depths in used.items() if depth in depths))
            held = (stored for stored in contents.files if stored.number in uses)
            for pack in packs_of(contents, held):
                with (reader := open_pack(backup, contents, pack)).stream:
                    for _, frame in reader.some_frames(lambda _, magic: magic == DIFFERENCES):
                        for number, offset, length in frame.extents:
                            for stored in uses.get(number, ()):
                                self.note_difference(depth, stored.number, offset, length)

    def note_difference(self, depth: int, file: int, offset: int, length: int) -> None:
        for block in range(offset // BLOCK, -(-(offset + length) // BLOCK)):
            if value_at(self.places, file, block) == depth:
                number, place = divmod(block, PIECE_BLOCKS)
                pieces = self.differing.setdefault(file, {})
                flags = pieces.setdefault(number, bytearray(PIECE_BLOCKS))
                flags[place] = 1

    def uses_at(self, depth: int, files: Iterable[int]) -> dict[int, list[StoredFile]]:
        """Return the files that take blocks of a backup, by the number of their file there."""
        backup, contents = self.chain[depth]
        listed = {stored.number for stored in contents.files}
        uses: dict[int, list[StoredFile]] = {}
        for file in files:
            sources = self.contents.sources.get(file, [0] * (len(self.chain) - 1))
            source = [*sources, file][depth]
            if not source or source not in listed:
                path = self.target.files[file].path
                raise DamagedError(f"{path} is not in {backup.label}, where its blocks are")
            uses.setdefault(source, []).append(self.target.files[file])
        return uses

    def take_from(self, depth: int, uses: dict[int, list[StoredFile]]) -> None:
        """Write blocks of a backup."""
        backup, contents = self.chain[depth]
        listed = {stored.number: stored for stored in contents.files if stored.number in uses}
        written = dict.fromkeys(listed, 0)
        for pack in packs_of(contents, listed.values()):
            with (reader := open_pack(backup, contents, pack)).stream:
                for frame in reader.frames():
                    rest = memoryview(frame.content)
                    for number, offset, length in frame.extents:
                        piece, rest = rest[:length], rest[length:]
                        for stored in uses.get(number, ()):
                            self.take_blocks(depth, stored, offset, piece, frame.differs)
                        if number in listed:
                            written[number] += length
        for source, length in written.items():
            if length != listed[source].written:
                raise DamagedError(f"{backup.label}: {listed[source].path} has {length} bytes")

    def take_blocks(
        self, depth: int, stored: StoredFile, offset: int, piece: memoryview, differs: bool
    ) -> None:
        end = min(offset + len(piece), stored.size)
        blocks = range(offset // BLOCK, -(-end // BLOCK))
        for taken, run in groupby(blocks, partial(self.is_taken, depth, stored.number)):
            first, *more = run
            start, stop = max(first * BLOCK, offset), min((first + 1 + len(more)) * BLOCK, end)
            if taken and start < stop:
                self.target.write(stored, start, piece[start - offset : stop - offset], differs)

    def is_taken(self, depth: int, file: int, block: int) -> bool:
        if value_at(self.places, file, block) == depth:
            return True
        return not depth and value_at(self.differing, file, block) == 1

    def check_blocks(self) -> None:
        """Compare every block whose final hash is known."""
        for part, content in table_parts(self.backup, self.contents):
            for place in range(part.blocks if part.file in self.target.files else 0):
                block, digest = part.first_block + place, content[8 * place :][:8]
                if (part.file, block) not in self.changes:
                    self.check_block(part.file or 0, block, digest)
        for (file, block), digest in self.changes.items():
            if file in self.target.files:
                self.check_block(file, block, digest)

    def check_block(self, file: int, block: int, digest: bytes) -> None:
        stored = self.target.files[file]
        if digest == UNKNOWN or block * BLOCK >= stored.size:
            return
        with open(self.target.root / stored.path, "rb") as written:
            written.seek(block * BLOCK)
            content = written.read(BLOCK).ljust(BLOCK, b"\0")
        actual = blake3.blake3(content, key=self.contents.key).digest(8)
        if digest != (actual if actual != UNKNOWN else b"\1" + bytes(7)):
            raise DamagedError(f"{stored.path}: block {block} does not match its hash")


def value_at(pieces: Mapping[int, Mapping[int, bytes | bytearray]], file: int, block: int) -> int:
    """Return what a file's pieces have of a block; zeros where they do not reach."""
    number, place = divmod(block, PIECE_BLOCKS)
    held = pieces.get(file)
    values = held.get(number, b"") if held else b""
    return values[place] if place < len(values) else ZEROS


def find_manifests(repository: Path | InFile, label: str | None = None) -> Sequence[Path | InFile]:
    """Return the manifest of every backup: a folder without one is not a backup."""
    patterns = ("instances/*/backups/*/manifest.json.zst", "manifest.json.zst")
    found: set[Any] = {path for pattern in patterns for path in repository.glob(pattern)}
    if not (manifests := sorted(found)):
        raise RefusedError(f"no backup with a manifest in {repository}")
    return [path for path in manifests if label in (None, path.parent.name)]


def list_backups(repository: Path | InFile, keys: dict[str, bytes]) -> None:
    damaged = 0
    for path in find_manifests(repository):
        try:
            backup = read_envelope(path)
            line = f"{backup.label}  {backup.key_id or 'not encrypted'}  {path.parent}"
            if backup.cipher == "none" or backup.key_id in keys:
                contents = read_contents(backup, keys)
                size, stored = (
                    sum(f.size for f in contents.files),
                    sum(p.stored for p in contents.packs),
                )
                line += f"  {len(contents.files)} files, {size} bytes, {stored} stored"
                if contents.ancestors:
                    line += f", needs {', '.join(each.label for each in contents.ancestors)}"
            elif backup.format == 2:
                line += "  needs others"
            print(line)
        except DamagedError as exc:
            damaged += 1
            print(exc)
    if damaged:
        raise DamagedError(f"{damaged} manifests are damaged")


def choose_manifest(repository: Path | InFile, label: str | None) -> Path | InFile:
    if len(manifests := find_manifests(repository, label)) != 1:
        raise RefusedError(
            f"{len(manifests)} backups fit: see --list, then give --label or its folder"
        )
    return manifests[0]


def extract(
    path: Path | InFile, keys: dict[str, bytes], directory: Path, only: str, plain: bool
) -> None:
    """Write the files below ``directory``, reading only the packs that hold some of them."""
    backup = read_envelope(path)
    if backup.label != path.parent.name and path.parent.parent.name == "backups":
        raise RefusedError(f"{path.parent} holds another backup, {backup.label}")
    if keys and backup.cipher == "none" and not plain:  # Anybody can write one, without a key.
        raise RefusedError(f"{backup.label} is not encrypted: --allow-plain, if it never was")
    contents = read_contents(backup, keys)
    chain = [*open_ancestors(backup, contents, keys), (backup, contents)]
    files = [stored for stored in contents.files if stored.path.startswith(only)]
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(directory.iterdir()):
        raise RefusedError(f"{directory} is not empty")
    if not files:
        raise RefusedError(f"no file of {backup.label} begins with {only!r}")
    target = Target(directory, files)
    assembly = Assembly(chain, target) if contents.ancestors else None
    if assembly:
        assembly.take()
    for pack in packs_of(contents, files) if only else contents.packs:
        with (reader := open_pack(backup, contents, pack)).stream:
            for frame in reader.frames():
                target.apply(pack, frame)
    if assembly and blake3 is not None:
        assembly.check_blocks()
    target.check_complete()
    print(f"{backup.label}: {len(files)} files are in {directory}, every byte checked")
    if assembly and blake3 is None:
        print("Block hashes were not checked: that needs the library blake3 (pip install blake3).")
    print("They are a raw copy: see section 8 of docs/format.md before a server starts on them.")


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
        place = place_of(options.repository)
        if options.list:
            list_backups(place, keys)
        else:
            manifest = choose_manifest(place, options.label)
            extract(manifest, keys, options.to, options.only, options.allow_plain)
    except RefusedError as exc:
        print(f"refused: {exc}", file=sys.stderr)
        return 2
    except (DamagedError, OSError, tarfile.TarError, KeyboardInterrupt) as exc:
        warning = "" if options.list else f"; what is in {options.to} is not whole, do not use it"
        print(f"failed: {str(exc) or 'interrupted'}{warning}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
