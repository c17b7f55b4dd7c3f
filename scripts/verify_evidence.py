#!/usr/bin/env python3
"""Is a report of evidence whole, as it was signed, and by a key that is known?

    verify_evidence.py FOLDER [--key-id ID] [--public-key FILE] [--head DIGEST …]

One file, without Mooring: it needs Python 3.11 and, for the signature, the library cryptography
(pip install cryptography). It checks the signature, the hash of every file, and every link of every
chain of evidence, and compares what you were sent before: the key (--key-id, as printed or mailed,
or --public-key) and heads of chains (--head, which must be links of this report).

Exit code 0: all of that is right; 1: refused, the report is not what was signed; 2: not there or
bad arguments; 3: nothing is wrong with what was checked, but something could not be checked: no
library, or no known key to compare with.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    CAN_VERIFY = True
except ImportError:
    CAN_VERIFY = False

RIGHT, REFUSED, BAD_INPUT, UNCHECKED = 0, 1, 2, 3
FORMAT = 1
MANIFEST, SIGNATURE, PUBLIC_KEY, REPORT = (
    "manifest.json", "manifest.sig", "public_key.pem", "report.json"
)  # fmt: skip
KEY_ID_LENGTH = 32
MAX_FILE = 2 * 1024**3
# What the body of a PEM public key of Ed25519 begins with, before its 32 bytes.
ED25519_PREFIX = bytes.fromhex("302a300506032b6570032100")
Json = Mapping[str, Any]


class NotAsSigned(Exception):
    """The report is refused, and why."""


class NotThere(Exception):
    """There is nothing to check."""


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--key-id", help="The id of the key, as you were sent it.")
    parser.add_argument("--public-key", type=Path, help="The public key, as you were sent it.")
    parser.add_argument("--head", action="append", default=[], help="A head you were sent.")
    options = parser.parse_args(words)
    try:
        unchecked = verify(options.folder, options.key_id, options.public_key, options.head)
    except NotAsSigned as exc:
        print(f"REFUSED: {exc}", file=sys.stderr)
        return REFUSED
    except (NotThere, OSError) as exc:
        print(f"cannot be checked: {exc}", file=sys.stderr)
        return BAD_INPUT
    for line in unchecked:
        print(f"NOT CHECKED: {line}")
    return UNCHECKED if unchecked else RIGHT


def verify(
    folder: Path, key_id: str | None, public_key: Path | None, heads: Sequence[str]
) -> list[str]:
    """Check a report, and return what could not be checked; NotAsSigned if it is refused."""
    manifest_bytes = read(folder / MANIFEST)
    unchecked = check_signature(folder, manifest_bytes, key_id, public_key)
    manifest = parsed(manifest_bytes, MANIFEST)
    if manifest.get("format") != FORMAT:
        raise NotThere(
            f"{MANIFEST} is of another format: use the verify_evidence.py of its release"
        )
    check_files(folder, manifest)
    report = parsed(read(folder / REPORT), REPORT)
    try:
        links, rows, seen = check_chains(report, manifest)
    except (KeyError, TypeError, AttributeError) as exc:
        raise NotAsSigned(f"{REPORT} is not shaped as a report: {exc!r}") from None
    for head in heads:
        if head.lower() not in seen:
            raise NotAsSigned(
                f"the head {head} that you were sent is no link of this report: its chain was "
                "replaced, or the report begins after it"
            )
    print(
        f"{report['month']}: {len(report['instances'])} instances, {rows} rows of evidence in "
        f"{links} links, {len(manifest['files'])} files as in the manifest"
    )
    return unchecked


def check_signature(
    folder: Path, manifest: bytes, key_id: str | None, known: Path | None
) -> list[str]:
    """Check who signed the manifest; return what could not be checked."""
    pem = read(folder / PUBLIC_KEY)
    raw = raw_key(pem, PUBLIC_KEY)
    found = hashlib.sha256(raw).hexdigest()[:KEY_ID_LENGTH]
    if parsed(manifest, MANIFEST).get("key_id") != found:
        raise NotAsSigned(f"{PUBLIC_KEY} is not of the key that {MANIFEST} names")
    if key_id is not None and key_id.lower() != found:
        raise NotAsSigned(f"it is signed by key {found}, not by {key_id}")
    if known is not None and raw_key(read(known), str(known)) != raw:
        raise NotAsSigned(f"it is signed by key {found}, not by that of {known}")
    unchecked = []
    if key_id is None and known is None:
        unchecked.append(f"whether key {found} is the one you know: give --key-id or --public-key")
    if not CAN_VERIFY:
        return ["the signature: install the Python library cryptography", *unchecked]
    try:
        signature = base64.b64decode(read(folder / SIGNATURE).strip(), validate=True)
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, manifest)
    except (InvalidSignature, binascii.Error, ValueError):
        raise NotAsSigned(f"{MANIFEST} does not have the signature of key {found}") from None
    print(f"signed by key {found}")
    return unchecked


def raw_key(pem: bytes, name: str) -> bytes:
    """Return the 32 bytes of a public key; without the library too."""
    try:
        if CAN_VERIFY:
            key = load_pem_public_key(pem)
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError("another kind of key")
            return key.public_bytes_raw()
        body = base64.b64decode(b"".join(pem.strip().splitlines()[1:-1]), validate=True)
        if not body.startswith(ED25519_PREFIX) or len(body) != len(ED25519_PREFIX) + 32:
            raise ValueError("another kind of key")
    except (ValueError, binascii.Error) as exc:
        raise NotAsSigned(f"{name} is no public key of Ed25519: {exc}") from None
    return body[len(ED25519_PREFIX) :]


def check_files(folder: Path, manifest: Json) -> None:
    """Check that exactly the files of the manifest are there, as they were."""
    files = manifest.get("files")
    if not isinstance(files, dict) or REPORT not in files:
        raise NotAsSigned(f"{MANIFEST} does not name its files")
    there = {path.name for path in folder.iterdir()}
    if more := there - set(files) - {MANIFEST, SIGNATURE, PUBLIC_KEY}:
        raise NotAsSigned(f"files that were not signed: {', '.join(sorted(more))}")
    for name, facts in files.items():
        if Path(name).name != name or name not in there:
            raise NotAsSigned(f"{name} is missing")
        content = read(folder / name)
        if hashlib.sha256(content).hexdigest() != facts.get("sha256"):
            raise NotAsSigned(f"{name} was changed after it was signed")


def check_chains(report: Json, manifest: Json) -> tuple[int, int, set[str]]:
    """Check every link; return how many links and rows there are, and the links' digests."""
    stated = {entry["uuid"]: (entry["length"], entry["head"]) for entry in manifest["heads"]}
    if set(stated) != {instance["uuid"] for instance in report["instances"]}:
        raise NotAsSigned(f"{MANIFEST} has heads of other instances than {REPORT}")
    links, rows, seen = 0, 0, set()
    for instance in report["instances"]:
        chain = instance["chain"]
        if stated[instance["uuid"]] != (chain["length"], chain["head"]):
            raise NotAsSigned(f"the head of {instance['name']} is not that of {MANIFEST}")
        rows += check_chain(instance["name"], instance["uuid"], chain)
        links += len(chain["links"])
        seen |= {link["digest"] for link in chain["links"]} | {chain["head"]}
    return links, rows, seen


def check_chain(name: str, uuid: str, chain: Json) -> int:
    """Check the links of one instance up to its head; return how many have their row here."""
    links, rows = chain["links"], 0
    if not links:
        return 0
    number, before = links[0]["number"], links[0]["previous"]
    if (number == 1) != (before == ""):
        raise NotAsSigned(f"{name}: link {number} does not begin its chain")
    for link in links:
        where = f"{name}, link {number}"
        if link["number"] != number:
            raise NotAsSigned(f"{where}: missing, or in another place")
        if link["content"] is not None:
            rows += 1
            if digest_of(link["content"]) != link["content_digest"]:
                raise NotAsSigned(f"{where}: the row was changed after it was recorded")
        if link["previous"] != before:
            raise NotAsSigned(f"{where}: does not follow the link before it")
        fields = {
            "chain": uuid,
            "number": number,
            "content": link["content_digest"],
            "previous": before,
        }
        if digest_of(fields) != link["digest"]:
            raise NotAsSigned(f"{where}: its hash is wrong")
        number, before = number + 1, link["digest"]
    if (number - 1, before) != (chain["length"], chain["head"]):
        raise NotAsSigned(f"{name}: the chain does not lead to its head")
    return rows


def digest_of(content: Json) -> str:
    """Return the SHA-256 of JSON in its one form."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read(path: Path) -> bytes:
    if path.is_symlink():
        raise NotAsSigned(f"{path.name} is a link")
    if not path.is_file():
        raise NotThere(f"{path} is missing")
    if path.stat().st_size > MAX_FILE:
        raise NotThere(f"{path} is larger than {MAX_FILE} bytes")
    return path.read_bytes()


def parsed(content: bytes, name: str) -> Json:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise NotAsSigned(f"{name} is no JSON: {exc}") from None
    if not isinstance(value, dict):
        raise NotAsSigned(f"{name} is no JSON object")
    return value


if __name__ == "__main__":
    sys.exit(main())
