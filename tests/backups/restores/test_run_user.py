"""As whom do programs run that open the files of a backup?"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from backups.restores import run_user
from backups.restores.run_user import find_run_user


def test_who_is_not_root_runs_programs_as_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert find_run_user("no-such-user", tmp_path) == (None, "")


def test_a_user_that_does_not_exist_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found, why = find_run_user("no-such-user", tmp_path)
    assert found is None
    assert "useradd --system" in why


def test_root_is_no_user_without_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert find_run_user("root", tmp_path)[0] is None


@pytest.mark.parametrize(("walls", "reached"), [(True, True), (False, False)])
def test_without_walls_it_must_be_let_into_the_folder(
    walls: bool, reached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(run_user, "sandbox_works", lambda: walls)
    tmp_path.chmod(0o700)
    nobody = pwd.getpwnam("nobody")
    found, why = find_run_user("nobody", tmp_path / "target")
    assert found == ((nobody.pw_uid, nobody.pw_gid) if reached else None)
    assert ("may not enter" in why) is not reached
