"""Does a script that unpacks a server delete a folder that holds something else?"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BEGINNING = f"""set -euo pipefail
ROOT={ROOT}; source "$ROOT/scripts/console.sh"; source "$ROOT/scripts/own_folder.sh"
"""


def bash(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", *argv], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "name", ["ceph", "mysql_server", "mysql57", "newer_mariadb", "mariadb_plugins"]
)
@pytest.mark.parametrize("kept", ["folder/kept", "folder.new/kept"])
def test_the_folder_of_somebody_else_stays(tmp_path: Path, name: str, kept: str) -> None:
    file = tmp_path / kept
    file.parent.mkdir()
    file.touch()
    ended = bash(str(ROOT / "scripts" / f"{name}.sh"), str(tmp_path / "folder"))
    assert (ended.returncode, file.exists()) == (1, True)
    assert "holds something else" in ended.stderr


def test_its_own_is_replaced(tmp_path: Path) -> None:
    for content in ("one", "two"):
        script = f'prepare_new "$1"; echo {content} >"$1.new/content"; replace "$1"'
        ended = bash("-c", BEGINNING + script, "bash", str(tmp_path / "folder"))
        assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "folder/content").read_text() == "two\n"
    assert not (tmp_path / "folder.new").exists()
