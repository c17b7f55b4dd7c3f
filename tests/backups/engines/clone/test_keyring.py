"""What a permanent server is given, so that it opens the files of a restored copy."""

from __future__ import annotations

import json
from pathlib import Path

from backups.engines.clone.keyring import (
    KEYRING_FILE,
    describe_keyring,
    explain_keyring,
    keyring_of,
)


def test_only_a_copy_with_encrypted_files_has_a_keyring(tmp_path: Path) -> None:
    assert keyring_of(tmp_path) is None
    keyring = tmp_path / KEYRING_FILE
    keyring.parent.mkdir()
    keyring.touch()
    assert keyring_of(tmp_path) == keyring


def test_the_two_files_that_name_it() -> None:
    needed = describe_keyring(Path('/data/a "b"/keys'))
    assert json.loads(needed["manifest"]) == {"components": "file://component_keyring_file"}
    # The server must be able to rotate its master key.
    assert json.loads(needed["configuration"]) == {"path": '/data/a "b"/keys', "read_only": False}


def test_a_person_is_shown_the_same() -> None:
    keyring = Path("/data/keys")
    said = "\n".join(explain_keyring(keyring))
    assert all(part in said for part in describe_keyring(keyring).values())
