"""A server is found on its folder, whatever path it has there, and on no other."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from backups.programs.occupant import occupant
from backups.runners.sandbox import sandbox_works


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """A program of a server's name, which waits."""
    program = tmp_path / "mysqld"
    shutil.copyfile(shutil.which("sleep") or "", program)
    program.chmod(0o700)
    return program


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert occupant(tmp_path / "none") is None


def test_another_folder_of_the_same_path_is_another(server: Path, tmp_path: Path) -> None:
    folder, moved = tmp_path / "data", tmp_path / "moved"
    folder.mkdir()
    program = subprocess.Popen([server, "60"], cwd=folder)
    try:
        folder.rename(moved)
        folder.mkdir()
        assert (occupant(moved), occupant(folder)) == (program.pid, None)
    finally:
        program.kill()
        program.wait()


def test_a_server_behind_walls_is_found_by_its_folder(server: Path, tmp_path: Path) -> None:
    """As in a container: there its folder has another path."""
    assert sandbox_works()
    folder = tmp_path / "data"
    folder.mkdir()
    words = ["bwrap", "--ro-bind", "/", "/", "--bind", str(folder), "/mnt", "--chdir", "/mnt"]
    program = subprocess.Popen([*words, "--", str(server), "60"], stdout=subprocess.DEVNULL)
    try:
        while occupant(folder) is None:
            assert program.poll() is None
        assert occupant(folder) != 0
    finally:
        program.kill()
        program.wait()
