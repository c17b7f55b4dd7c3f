"""A command finds the installation that is meant, or none: it never makes one."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.console import SetupError
from scripts.state_folder import prepare_folder
from scripts.which_folder import command_folder, remember_folder


def found(folder: Path, **environment: str) -> Path:
    return command_folder(environment, folder / "own" / "note", folder / "var")


def test_the_folder_last_used_is_the_one_that_is_meant(tmp_path: Path) -> None:
    for name in ("var", "home", "other"):
        prepare_folder(tmp_path / name)
    assert found(tmp_path) == tmp_path / "var"
    remember_folder(tmp_path / "home", tmp_path / "own" / "note")
    assert found(tmp_path) == tmp_path / "home"
    assert found(tmp_path, MOORING_HOME=str(tmp_path / "other")) == tmp_path / "other"


def test_where_it_is_gone_no_other_takes_its_place(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "var")
    remember_folder(tmp_path / "unmounted", tmp_path / "own" / "note")
    with pytest.raises(SetupError, match="unmounted, which is none"):
        found(tmp_path)


def test_without_any_there_is_nothing_to_answer_from(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no state folder"):
        found(tmp_path)
    with pytest.raises(SetupError, match="MOORING_HOME names"):
        found(tmp_path, MOORING_HOME=str(tmp_path / "typo"))
    assert list(tmp_path.iterdir()) == []
