"""Whose virtualenv does ./mooring use, and when is it updated or made again?"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("mooring", "scripts/console.sh", "scripts/system_packages.sh")
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt", "constraints.txt")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A product that needs no packages and says which Python runs it; its virtualenv is made."""
    folder = tmp_path_factory.mktemp("of") / "a project"
    (folder / "scripts").mkdir(parents=True)
    for name in SCRIPTS:
        shutil.copy2(ROOT / name, folder / name)
    for name in REQUIREMENTS:
        (folder / name).touch()
    (folder / "scripts/manage.py").write_text("import sys\nprint(sys.prefix)\n")
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/python").write_text("somebody's")
    said = run(folder)
    assert "making a virtualenv" in said
    assert "installing Python packages" in said
    return folder


def run(project: Path) -> str:
    """Run it and return what it said of its set-up."""
    done = subprocess.run(
        ["./mooring", "manage"],
        cwd=project,
        env={**os.environ, "MOORING_PYTHON": "python3"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(project / ".mooring/venv")
    return done.stderr


def test_the_virtualenv_of_somebody_else_is_left_alone(project: Path) -> None:
    assert (project / ".venv/bin/python").read_text() == "somebody's"


def test_other_requirements_are_installed_once(project: Path) -> None:
    assert run(project) == ""
    (project / "constraints.txt").write_text("# one more\n")
    updated = run(project)
    assert "making a virtualenv" not in updated
    assert "installing Python packages" in updated
    assert run(project) == ""


def test_another_python_has_it_made_again(project: Path) -> None:
    (project / ".mooring/venv/mooring.stamp").write_text(f"{project}/.mooring/venv /usr 3.10.2")
    left_over = project / ".mooring/venv/left-over"
    left_over.touch()
    assert "making a virtualenv" in run(project)
    assert not left_over.exists()
    assert run(project) == ""
