"""The state folder: private, with keys that are never replaced, for one Mooring at a time."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
from pathlib import Path

import psutil
import pytest

from scripts.console import SetupError
from scripts.state_folder import end_leftovers, prepare_folder, remember, sole_user


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    prepare_folder(tmp_path / "state")
    return tmp_path / "state"


def test_nobody_else_may_look(home: Path) -> None:
    assert [mode(home / name) for name in (".", "keys", "run", "log")] == [0o700] * 4
    assert {path.name: mode(path) for path in (home / "keys").iterdir()} == {
        "django.key": 0o600,
        "secret.key": 0o600,
    }


def test_the_secret_key_is_one_fernet_accepts(home: Path) -> None:
    assert len(base64.urlsafe_b64decode((home / "keys" / "secret.key").read_bytes())) == 32


def test_keys_stay_as_they_are(home: Path) -> None:
    before = (home / "keys" / "secret.key").read_bytes()
    prepare_folder(home)
    assert (home / "keys" / "secret.key").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match=str(tmp_path / "file")) as raised:
        prepare_folder(tmp_path / "file" / "state")
    assert "MOORING_HOME" in raised.value.hint


def test_two_do_not_share_a_folder(home: Path) -> None:
    with (
        sole_user(home),
        pytest.raises(SetupError, match=f"process {os.getpid()}"),
        sole_user(home),
    ):
        pass  # pragma: no cover
    with sole_user(home):
        pass


def test_what_a_broken_run_left_is_ended(home: Path) -> None:
    left = subprocess.Popen(["sleep", "600"])
    remember(home, [left.pid])
    (home / "run" / "redis.sock").touch()
    with sole_user(home):
        assert not psutil.pid_exists(left.pid)
        assert not (home / "run" / "redis.sock").exists()


def test_a_stranger_with_the_same_number_is_left_alone(home: Path) -> None:
    stranger = subprocess.Popen(["sleep", "600"])
    began = psutil.Process(stranger.pid).create_time()
    note = {str(stranger.pid): began - 100}
    (home / "run" / "processes.json").write_text(json.dumps(note))
    end_leftovers(home)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
