"""Does a key open what it should, nothing else, and never show itself?"""

from __future__ import annotations

import base64
import os
import traceback
import uuid
from pathlib import Path

import pytest

from backups.archive.keys import (
    KeyEncryptionKey,
    Keyring,
    add_key,
    create_key_file,
    load_keyring,
    parse_keyring,
)
from backups.exceptions import ArchiveError, KeyUnavailable

BACKUP = uuid.UUID("11111111-1111-4111-8111-111111111111")
OLD, NEW = KeyEncryptionKey(b"o" * 32), KeyEncryptionKey(b"n" * 32)


def line(key: KeyEncryptionKey) -> str:
    return f"mooring-key-1 {base64.b64encode(key.material).decode()}\n"


def test_a_wrapped_data_key_opens_for_its_backup_only() -> None:
    data_key = os.urandom(32)
    wrapped = OLD.wrap(data_key, BACKUP)

    assert OLD.unwrap(wrapped, BACKUP) == data_key
    for key, backup in [(NEW, BACKUP), (OLD, uuid.uuid4())]:
        with pytest.raises(ArchiveError, match="does not open with key"):
            key.unwrap(wrapped, backup)


def test_every_damaged_wrapping_is_refused() -> None:
    wrapped = OLD.wrap(bytes(32), BACKUP)
    for bit in range(8 * len(wrapped)):
        changed = bytearray(wrapped)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ArchiveError):
            OLD.unwrap(bytes(changed), BACKUP)
    for wrong in (b"", wrapped[:-1], wrapped + b"\0"):
        with pytest.raises(ArchiveError, match="bytes, not 60"):
            OLD.unwrap(wrong, BACKUP)


def test_two_wrappings_of_one_key_differ() -> None:
    assert OLD.wrap(bytes(32), BACKUP) != OLD.wrap(bytes(32), BACKUP)


def test_the_first_key_of_a_file_is_the_current_one() -> None:
    keyring = parse_keyring(f"# newest\n\n{line(NEW)}  # then\n{line(OLD)}", source="k")

    assert keyring.current == NEW
    assert keyring.find(OLD.id) == OLD


def test_a_missing_key_is_named_with_those_at_hand() -> None:
    with pytest.raises(
        KeyUnavailable, match=f"key {OLD.id} is not in the keyring, which has {NEW.id}"
    ) as raised:
        Keyring((NEW,)).find(OLD.id)
    assert raised.value.hint.endswith(".")


def test_a_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "backup.key"
    keyring = create_key_file(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert load_keyring(path=path) == keyring
    with pytest.raises(FileExistsError):
        create_key_file(path)
    assert load_keyring(path=path) == keyring


def test_an_added_key_comes_first_and_the_old_ones_stay(tmp_path: Path) -> None:
    path = tmp_path / "backup.key"
    first = create_key_file(path).current
    second = add_key(path).current
    keyring = add_key(path)

    assert [key.id for key in keyring.keys][1:] == [second.id, first.id]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [child.name for child in tmp_path.iterdir()] == ["backup.key"]


def test_adding_gets_over_a_file_a_killed_attempt_left(tmp_path: Path) -> None:
    path = tmp_path / "backup.key"
    create_key_file(path)
    (tmp_path / "backup.key.new").write_text("half a li")

    assert len(add_key(path).keys) == 2


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o601, 0o620])
def test_a_key_file_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "backup.key"
    create_key_file(path)
    path.chmod(mode)

    with pytest.raises(KeyUnavailable, match=f"has mode {mode:04o}") as raised:
        load_keyring(path=path)
    assert f"chmod 600 {path}" in raised.value.hint


def test_a_missing_key_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="No such file") as raised:
        load_keyring(path=tmp_path / "none")
    assert "createbackupkey" in raised.value.hint
    with pytest.raises(KeyUnavailable, match="no key file and no key in the environment"):
        load_keyring()


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "backup.key"
    create_key_file(path)
    text = f"{line(NEW).strip()},{base64.b64encode(OLD.material).decode()}"

    assert load_keyring(text=text, path=path) == Keyring((NEW, OLD))


SECRET = base64.b64encode(bytes(range(100, 132))).decode()


@pytest.mark.parametrize(
    "content",
    [
        f"mooring-key-2 {SECRET}",
        f"mooring-key-1 {SECRET} {SECRET}",
        f"mooring-key-1 {SECRET[:-4]}",
        f"mooring-key-1 {SECRET}{SECRET}",
        f"mooring-key-1 ü{SECRET}",
        f"mooring-key-1 {SECRET[:20]}!{SECRET[20:]}",
        f"mooring-key-1{SECRET}",
        SECRET,
        f"# {SECRET}",
        "",
    ],
)
def test_an_error_never_shows_a_key(tmp_path: Path, content: str) -> None:
    path = tmp_path / "backup.key"
    path.write_text(f"# a comment\n{content}\n")
    path.chmod(0o600)

    with pytest.raises(KeyUnavailable) as raised:
        load_keyring(path=path)

    shown = "".join(traceback.format_exception(raised.value)) + raised.value.hint
    # Nor a part of it that is long enough to mean something.
    assert not any(SECRET[at : at + 8] in shown for at in range(len(SECRET) - 8))
    assert str(path) in shown


def test_a_key_file_that_is_not_text_is_refused_unquoted(tmp_path: Path) -> None:
    path = tmp_path / "backup.key"
    path.write_bytes(b"\xfe\xff" * 16)
    path.chmod(0o600)

    with pytest.raises(KeyUnavailable, match="is not text") as raised:
        load_keyring(path=path)
    assert "fe" not in str(raised.value).replace(str(path), "")


def test_a_key_does_not_show_itself() -> None:
    shown = f"{OLD} {OLD!r} {Keyring((OLD,))!r}"
    assert "oooo" not in shown
    assert base64.b64encode(OLD.material).decode()[:8] not in shown
