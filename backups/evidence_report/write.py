"""How does a report get into a folder, signed?

The folder is made beside its place and renamed there: one that is there is whole. What a killed
command left behind is removed by the next one to the same place.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from backups.evidence_report.page import write_page
from backups.evidence_report.signing import public_pem, sign
from backups.evidence_report.tables import write_tables
from backups.exceptions import BadInput, MooringError
from backups.models import SigningKey

MANIFEST, SIGNATURE, PUBLIC_KEY = "manifest.json", "manifest.sig", "public_key.pem"


def write_report(report: Mapping[str, Any], key: SigningKey, folder: Path) -> None:
    """Write a report into a new or empty folder. Any: JSON."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} is there, and not an empty folder", hint="Name a new folder.")
    if not folder.parent.is_dir():
        raise BadInput(f"{folder.parent} is no folder")
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    try:
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        for name, content in _files(report, key):
            _write(unfinished / name, content)
        os.replace(unfinished, folder)
        _sync(folder.parent)
    except OSError as exc:
        raise MooringError(f"the report could not be written to {folder}: {exc}") from None


def _files(report: Mapping[str, Any], key: SigningKey) -> Iterator[tuple[str, bytes]]:
    files = {
        "report.json": _json(report),
        "report.html": write_page(report, key),
        **dict(write_tables(report)),
    }
    manifest = _json(
        {
            "format": report["format"],
            "month": report["month"],
            "group": report["group"],
            "created_at": report["created_at"],
            "key_id": key.key_id,
            "files": {
                name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
                for name, content in files.items()
            },
            "heads": [
                {
                    "instance": instance["name"],
                    "uuid": instance["uuid"],
                    "length": instance["chain"]["length"],
                    "head": instance["chain"]["head"],
                }
                for instance in report["instances"]
            ],
        }
    )
    yield from files.items()
    yield PUBLIC_KEY, public_pem(key)
    yield SIGNATURE, base64.b64encode(sign(key, manifest)) + b"\n"
    yield MANIFEST, manifest


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
