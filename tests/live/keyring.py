"""A MySQL that encrypts: where its keys are, and what lies open that must not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from backups.innodb.encryption import (
    INFO_BYTES,
    REDO_OFFSET,
    MasterKey,
    has_key,
    info_offset,
    unwrap,
)
from backups.innodb.pages import page_size_of
from tests.live.mysql import PrivateMysql


def keyring_folder(folder: Path, keyring: Path, **options: str) -> Path:
    """Make a data folder whose server keeps its keys in a file beside it."""
    words = {name.replace("_", "-"): value for name, value in options.items()}
    PrivateMysql(folder, words).initialise()
    configuration = json.dumps({"path": str(keyring), "read_only": False})
    return give_keyring(folder, '{"components": "file://component_keyring_file"}', configuration)


def give_keyring(folder: Path, manifest: str, configuration: str) -> Path:
    """Let the server of a data folder find its keyring: ours looks there."""
    (folder / "mysqld.my").write_text(manifest)
    (folder / "component_keyring_file.cnf").write_text(configuration)
    return folder


def master_keys(keyring: Path) -> dict[tuple[str, int], MasterKey]:
    """Return the master keys of a keyring file, by the server they are named after and number."""
    keys = {}
    for element in json.loads(keyring.read_text())["elements"]:
        server, _, number = element["data_id"].removeprefix("INNODBKey-").rpartition("-")
        key = MasterKey(bytes.fromhex(element["data"]), server, int(number))
        keys[key.server, key.number] = key
    return keys


def wrapped_infos(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield every file of a data folder that has a key, with what it has."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        with path.open("rb") as file:
            begun = file.read(64 << 10)
        offset = REDO_OFFSET
        if "#ib_redo" not in path.name:
            offset = info_offset(page_size_of(int.from_bytes(begun[54:58], "big")))
        info = begun[offset : offset + INFO_BYTES]
        if len(info) == INFO_BYTES and has_key(info):
            yield path, info


def plain_keys(folder: Path, keyring: Path) -> dict[Path, bytes]:
    """Return the key of every encrypted file, as its server would use it."""
    masters = master_keys(keyring)
    keys = {}
    for path, info in wrapped_infos(folder):
        master = masters[info[7:43].decode(), int.from_bytes(info[3:7], "big")]
        keys[path] = unwrap(info, master)
    return keys


def files_with(folder: Path, needles: list[bytes]) -> list[Path]:
    """Return the files in which any of these bytes lie open."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            if any(needle in content for needle in needles):
                found.append(path)
    return found
