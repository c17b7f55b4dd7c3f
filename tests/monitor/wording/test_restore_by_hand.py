"""The commands for a restore without Mooring name what the backup at hand needs, and no more."""

from __future__ import annotations

import pytest

from backups.engines.clone.keyring import KEYRING_FILE
from backups.models import Backup, BackupCopy, Repository
from monitor.wording.restore_by_hand import FETCHED, TARGET, steps_by_hand


def titles(copy: BackupCopy) -> list[str]:
    return [step.title for step in steps_by_hand(copy)]


def clone_copy(facts: dict[str, str], key_id: str = "k1") -> BackupCopy:
    backup = Backup(label="shop-1-F", engine="clone", server_version="8.4.9", facts=facts)
    repository = Repository(name="main", path="/backups")
    return BackupCopy(backup=backup, repository=repository, key_id=key_id)


@pytest.mark.parametrize("facts", [{"keyring_file": ""}, {}])
def test_an_unencrypted_clone_needs_no_keyring(facts: dict[str, str]) -> None:
    assert titles(clone_copy(facts)) == [
        "Extract", "Change the owner", "Start an isolated server", "Check the contents",
    ]  # fmt: skip


def test_an_encrypted_clone_needs_its_keyring_before_the_first_start() -> None:
    steps = steps_by_hand(clone_copy({"keyring_file": KEYRING_FILE}))
    keyring = [step.title for step in steps].index("Provide the keyring")
    assert steps[keyring].command == f"ls {TARGET}/{KEYRING_FILE}"
    assert steps[keyring + 1].title == "Start an isolated server"


def test_a_link_names_the_backups_it_needs() -> None:
    extract = steps_by_hand(clone_copy({}), ["shop-0-F"])[0]
    assert "The repository must hold shop-0-F as well." in extract.note
    assert "must hold shop" not in steps_by_hand(clone_copy({}))[0].note


def test_only_an_encrypted_copy_needs_a_backup_key() -> None:
    sealed, clear = (steps_by_hand(clone_copy({}, key_id=key))[0] for key in ("k1", ""))
    assert "--key-file" in sealed.command and "k1" in sealed.note
    assert "--key-file" not in clear.command


@pytest.mark.parametrize(
    ("engine", "version"), [("clone", "8.4.9"), ("mariadb_backup", "10.11.14-MariaDB")]
)
def test_a_server_without_grants_is_reachable_by_its_owner_only(engine: str, version: str) -> None:
    copy = clone_copy({})
    copy.backup.engine, copy.backup.server_version = engine, version
    commands = {step.title: step.command for step in steps_by_hand(copy)}
    assert 'chmod 700 "$RUN"' in commands["Change the owner"]
    assert '--socket="$RUN/server.sock"' in commands["Start an isolated server"]
    assert '--user="$OWNER"' in commands["Start an isolated server"]
    assert "/tmp" not in " ".join(commands.values())


def test_a_server_is_started_with_the_option_of_its_release() -> None:
    copy = clone_copy({})
    copy.backup.server_version = "8.0.25"
    assert any("--skip-slave-start" in step.command for step in steps_by_hand(copy))


def test_a_copy_on_tape_has_its_pieces_fetched_first() -> None:
    copy = clone_copy({})
    copy.repository.kind, copy.repository.path = "media", "media:lto/site1"
    copy.path, copy.pack_count = "instances/u/backups/shop-1@20260302T010000Z-F", 7
    fetch, extract = steps_by_hand(copy)[:2]
    assert "scripts/unwrap_piece.py" in fetch.command
    assert "each of the 8 pieces whose names contain shop-1+4020260302T010000Z-F" in fetch.note
    assert FETCHED in extract.command
