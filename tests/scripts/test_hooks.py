"""Do the hooks of pre-commit run the checks of ./mooring test, with its virtualenv's programs?"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.checks import shell_scripts, static_checks
from scripts.processes import ROOT

HOOKS = {
    hook["id"]: hook
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    for hook in repository["hooks"]
}
CHECKS = {part.name: part.argv for part in static_checks(Path("/nowhere"))}
VENV = ".mooring/venv/bin/"


def words_of(hook: dict[str, Any]) -> list[str]:
    """Return the command of a hook as the checks name it. Any: YAML's values."""
    first, *rest = hook["entry"].split()
    name = first.removeprefix(VENV)
    return [sys.executable if name == "python" else name, *rest]


def test_every_check_but_that_of_deployed_settings_is_a_hook() -> None:
    assert set(HOOKS) == set(CHECKS) - {"settings"}


@pytest.mark.parametrize("name", sorted(set(HOOKS) - {"shell scripts", "migrations"}))
def test_a_hook_runs_what_the_check_runs(name: str) -> None:
    assert words_of(HOOKS[name]) == list(CHECKS[name])
    assert HOOKS[name]["entry"].startswith(VENV)


def test_the_hook_of_migrations_needs_no_state_folder() -> None:
    words = words_of(HOOKS["migrations"])
    assert words == [*CHECKS["migrations"], "--settings", "tests.settings"]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == 0


def test_the_hook_of_shell_scripts_gets_the_same_files() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    wanted = [name for name in tracked if re.search(HOOKS["shell scripts"]["files"], name)]
    assert {ROOT / name for name in wanted} == {ROOT / name for name in shell_scripts()}
