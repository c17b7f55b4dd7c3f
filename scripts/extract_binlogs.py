#!/usr/bin/env python3
"""How are archived binlogs written back as files, with the repository and the key alone?

    extract_binlogs.py REPOSITORY --list [--key-file FILE]
    extract_binlogs.py REPOSITORY [--timeline UUID] [--from FILE] [--key-file FILE] --to DIR

One file, written from docs/format.md alone. It needs Python 3.11 and two libraries (pip install
zstandard cryptography) and writes only below DIR, which must be empty or new. The files are those
of the server, byte for byte; mysqlbinlog or mariadb-binlog reads them. With a key, unencrypted
pieces are refused. Exit code 0: every byte is right and synced; 1: a piece is damaged or missing,
or a disk failed; 2: not there or not allowed.
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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAX_RAW = 4 * 1024 * 1024  # of one frame
MAX_MANIFEST, MAX_BODY = 16 * 1024**2, 64 * 1024**2
ENVELOPE, SEALED_BODY, DIGEST = 0x184D2A50, 0x184D2A51, 0x184D2A52  # the parts of a manifest
KIND, FORMAT, PART_FRAME, PART_MANIFEST = "binlog segment", 1, 1, 3
CIPHERS = {"none": 0, "aes-256-gcm": 1}

SKIPPABLE = struct.Struct("<II")  # magic, length
NONCE = struct.Struct("<IQ")  # part kind, part number
HEADER = struct.Struct("<8sHHI16s")  # magic, format, cipher, 0, segment uuid
FRAME_HEADER = struct.Struct("<4sIII")  # magic, sealed length, raw length, frame number
EXTENTS = struct.Struct("<IIQI")  # one extent: count, file number, offset, length
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
PLACE = re.compile(
    rf"instances/(?P<instance>{UUID})/binlogs/(?P<timeline>{UUID})/"
    r"(?P<number>\d{10})-(?P<file>[^/]+)/(?P<start>\d{16})\.json\.zst"
)


class DamagedError(Exception):
    """A piece is not what its writer wrote, or is missing."""


class RefusedError(Exception):
    """What was requested is not there or not allowed."""


class Place(NamedTuple):
    """What the path of a manifest says."""

    instance: str
    timeline: str
    number: int
    start: int
    file: str
    path: Path

    @property
    def data(self) -> Path:
        return self.path.with_name(self.path.name.removesuffix(".json.zst") + ".segment")


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


@dataclass
class Segment:
    """One piece, as its envelope tells, and what opens its sealed parts."""

    place: Place
    uuid: bytes
    cipher: str
    key_id: str
    wrapped_key: bytes
    body: bytes
    data_key: bytes = field(default=b"", repr=False)

    @property
    def name(self) -> str:
        return f"{self.place.file} from {self.place.start}"

    def open(self, part: int, number: int, context: bytes, sealed: bytes) -> bytes:
        """Return the content of one sealed part, if it is what was sealed in this place."""
        nonce = NONCE.pack(part, number)
        if self.cipher != "none":
            return decrypt(self.name, self.data_key, nonce, sealed, context)
        bound = nonce + struct.pack("<I", len(context)) + context
        if hashlib.sha256(bound + sealed[:-16]).digest()[:16] != sealed[-16:]:
            raise DamagedError(f"{self.name}: the checksum does not match")
        return sealed[:-16]


class Facts(NamedTuple):
    """What the manifest says of a piece."""

    start: int
    end: int
    last_of_file: bool
    sha256: str
    frames: list[list[int]]
    last_commit_at: str | None
    gtids: tuple[str, str]  # before and after
    instance: str

    def precedes(self, following: Facts) -> bool:
        """Whether the file ends here, for a piece at the beginning of the next one.

        A server that crashed ends its file without saying so: then the sets of GTIDs tell.
        """
        return self.last_of_file or self.gtids[1] == following.gtids[0] != ""


def find_places(repository: Path) -> list[Place]:
    """Return every piece below a repository, in the order of timelines, files and offsets."""
    found = []
    for path in repository.glob("instances/*/binlogs/*/*/*.json.zst"):
        if match := PLACE.fullmatch(path.relative_to(repository).as_posix()):
            number, start = int(match["number"]), int(match["start"])
            place = (match["instance"], match["timeline"], number, start)
            found.append(Place(*place, match["file"], path))
    return sorted(found)


def read_envelope(place: Place) -> Segment:
    """Return the piece, after checking the digest over the whole manifest."""
    if place.path.stat().st_size > MAX_MANIFEST:
        raise DamagedError(f"{place.path} is larger than any manifest")
    content = place.path.read_bytes()
    signed = content[:-40]
    expected = SKIPPABLE.pack(DIGEST, 32) + hashlib.sha256(signed).digest()
    if content[-40:] != expected or len(signed) < SKIPPABLE.size:
        raise DamagedError(f"{place.path} is damaged or cut short: its SHA-256 does not match")
    magic, length = SKIPPABLE.unpack_from(signed)
    text, body = signed[SKIPPABLE.size :][:length], signed[SKIPPABLE.size + length :]
    try:
        parsed = json.loads(text)
        if magic != ENVELOPE or parsed["mooring"] != KIND or parsed["cipher"] not in CIPHERS:
            raise ValueError("no manifest of a binlog, or an unknown cipher")
        if parsed["format"] != FORMAT:
            raise RefusedError(f"{place.path} has format {parsed['format']!r}; this reads 1")
        wrapped = base64.b64decode(parsed["wrapped_key"], validate=True)
        identity, key_id = uuid.UUID(parsed["segment"]).bytes, str(parsed["key_id"])
    except (LookupError, TypeError, ValueError, AttributeError) as exc:
        raise DamagedError(f"the envelope of {place.path}: {exc!r}") from None
    return Segment(place, identity, parsed["cipher"], key_id, wrapped, body)


def read_facts(segment: Segment, keys: Mapping[str, bytes]) -> Facts:
    """Unwrap the data key and return what the manifest says."""
    body = segment.body
    if segment.cipher != "none":
        if segment.key_id not in keys:
            at_hand = ", ".join(keys) or "none"
            raise RefusedError(f"{segment.name} needs the key {segment.key_id}; at hand: {at_hand}")
        context = b"mooring data key\0" + segment.uuid + segment.key_id.encode("ascii")
        nonce, wrapped = segment.wrapped_key[:12], segment.wrapped_key[12:]
        what = f"the data key of {segment.name}"
        segment.data_key = decrypt(what, keys[segment.key_id], nonce, wrapped, context)
        header, sealed = body[: SKIPPABLE.size], body[SKIPPABLE.size :]
        if header != SKIPPABLE.pack(SEALED_BODY, len(sealed)):
            raise DamagedError(f"the manifest of {segment.name} is not sealed")
        body = segment.open(PART_MANIFEST, 0, segment.uuid, sealed)
    try:
        return build_facts(segment.place, json.loads(decompress(segment.name, body, MAX_BODY)))
    except (LookupError, TypeError, ValueError, AttributeError) as exc:
        raise DamagedError(f"the manifest of {segment.name}: {exc!r}") from None


def build_facts(place: Place, parsed: Any) -> Facts:
    said = (
        parsed["instance"]["uuid"],
        parsed["timeline"]["uuid"],
        parsed["file"],
        parsed["start"],
    )
    if said != (place.instance, place.timeline, place.file, place.start):
        raise ValueError(f"it describes another piece: {said}")
    frames = parsed["object"]["frames"]
    for row in frames:
        if len(row) != 4 or any(type(n) is not int or not 0 <= n < 1 << 63 for n in row):
            raise ValueError(f"a frame is {row!r}"[:200])
    ends = [row[2] + row[3] for row in frames]
    if [row[2] for row in frames] != [place.start, *ends[:-1]] or ends[-1] != parsed["end"]:
        raise ValueError("its frames do not follow each other")
    return Facts(
        place.start,
        parsed["end"],
        parsed["last_of_file"],
        parsed["sha256"],
        frames,
        parsed["last_commit_at"],
        (parsed["gtids_before"], parsed["gtids_after"]),
        str(parsed["instance"]["name"]),
    )


def read_bytes(segment: Segment, facts: Facts) -> Iterator[bytes]:
    """Yield the bytes of a piece, each frame checked; at the end all of them."""
    digest = hashlib.sha256()
    with open(segment.place.data, "rb") as stream:
        header = HEADER.pack(b"MOORBLOG", FORMAT, CIPHERS[segment.cipher], 0, segment.uuid)
        if stream.read(HEADER.size) != header:
            raise DamagedError(f"{segment.place.data} is not the object that its manifest names")
        for number, (offset, stored, start, raw) in enumerate(facts.frames):
            stream.seek(offset)
            if stored > 2 * MAX_RAW or len(blob := stream.read(stored)) != stored:
                raise DamagedError(f"{segment.name}: frame {number} is cut off")
            frame = (b"MFR1", stored - FRAME_HEADER.size, raw, number)
            if blob[: FRAME_HEADER.size] != FRAME_HEADER.pack(*frame):
                raise DamagedError(f"{segment.name}: frame {number} is damaged")
            context = blob[: FRAME_HEADER.size] + segment.uuid
            content = segment.open(PART_FRAME, number, context, blob[FRAME_HEADER.size :])
            if content[: EXTENTS.size] != EXTENTS.pack(1, 1, start, raw):
                raise DamagedError(f"{segment.name}: frame {number} is of another place")
            plain = decompress(segment.name, content[EXTENTS.size :], min(raw, MAX_RAW))
            digest.update(plain)
            yield plain
    if digest.hexdigest() != facts.sha256:
        raise DamagedError(f"{segment.name}: the SHA-256 of its bytes does not match")


def list_binlogs(repository: Path, keys: Mapping[str, bytes]) -> None:
    """Print a line per file: timeline, key, file, its bytes, its last commit."""
    for (timeline, file), places in groupby(find_places(repository), lambda p: (p[1], p.file)):
        segments = [read_envelope(place) for place in places]
        line = f"{timeline}  {segments[0].key_id or 'none'}  {file}  {len(segments)} pieces"
        if all(segment.cipher == "none" or segment.key_id in keys for segment in segments):
            facts = [read_facts(segment, keys) for segment in segments]
            last = max((each.last_commit_at or "" for each in facts), default="")
            line += f", bytes {facts[0].start} to {facts[-1].end}, {facts[0].instance}, to {last}"
        print(line)


def choose(repository: Path, timeline: str | None, first: str) -> list[Place]:
    places = [each for each in find_places(repository) if timeline in (None, each.timeline)]
    if len({each.timeline for each in places}) != 1:
        raise RefusedError("not exactly one timeline fits: see --list, then give --timeline")
    if first:
        numbers = [each.number for each in places if each.file == first]
        if not numbers:
            raise RefusedError(f"{first} is not in the repository")
        places = [each for each in places if each.number >= numbers[0]]
    return places


def extract(
    places: Sequence[Place], keys: Mapping[str, bytes], directory: Path, plain: bool
) -> None:
    """Write every file; stop at the first byte that is missing."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(directory.iterdir()):
        raise RefusedError(f"{directory} is not empty")
    before: Facts | None = None
    for number, (file, pieces) in enumerate(
        groupby(places, lambda place: place.file), start=places[0].number
    ):
        with open(directory / file, "xb") as output:
            for place in pieces:
                facts = write_piece(output, place, keys, plain)
                at = output.tell()
                if (place.number, facts.end) != (number, at):
                    raise DamagedError(f"what is before {file} from {facts.start} on is missing")
                if facts.start == 0 and before and not before.precedes(facts):
                    raise DamagedError(f"the end of the file before {file} is missing")
                before = facts
            output.flush()
            os.fsync(output.fileno())
        print(f"{file}: {at} bytes, every byte checked")


def write_piece(output: BinaryIO, place: Place, keys: Mapping[str, bytes], plain: bool) -> Facts:
    """Write the bytes of one piece."""
    segment = read_envelope(place)
    if keys and segment.cipher == "none" and not plain:  # Anybody can write one, without a key.
        raise RefusedError(f"{segment.name} is not encrypted: --allow-plain, if it never was")
    facts = read_facts(segment, keys)
    for chunk in read_bytes(segment, facts):
        output.write(chunk)
    return facts


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Extract archived binlogs without Mooring.")
    parser.add_argument("repository", type=Path)
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--list", action="store_true", help="show the binlogs of the repository")
    wanted.add_argument("--to", type=Path, metavar="DIR", help="an empty folder, or a new one")
    parser.add_argument("--timeline", help="which history; not needed when there is only one")
    parser.add_argument("--from", dest="first", default="", metavar="FILE", help="the first file")
    parser.add_argument("--key-file", type=Path, help="not needed when nothing is encrypted")
    parser.add_argument("--allow-plain", action="store_true", help="take what is not encrypted")
    options = parser.parse_args(arguments)
    try:
        keys = load_keys(options.key_file)
        if options.list:
            list_binlogs(options.repository, keys)
        else:
            places = choose(options.repository, options.timeline, options.first)
            extract(places, keys, options.to, options.allow_plain)
    except RefusedError as exc:
        print(f"refused: {exc}", file=sys.stderr)
        return 2
    except (DamagedError, OSError, KeyboardInterrupt) as exc:
        warning = "" if options.list else "; the file named last is not whole, those before it are"
        print(f"failed: {str(exc) or 'interrupted'}{warning}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
