"""Do the hooks of pre-commit run the checks of ./mooring test, with its virtualenv's programs?"""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest
import yaml

from scripts.processes import ROOT

CHECKS = (ROOT / "scripts" / "test.sh").read_text(encoding="utf-8").splitlines()
HOOKS = {
    hook["id"]: shlex.split(hook["entry"])
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    for hook in repository["hooks"]
}
VENV = ".venv/bin/"
FOR_TESTS = ["--settings", "tests.settings"]


@pytest.mark.parametrize("name", sorted(set(HOOKS) - {"migrations"}))
def test_a_hook_runs_what_the_check_runs(name: str) -> None:
    program, *words = HOOKS[name]
    assert program.startswith(VENV)
    assert f'check "{name}" {shlex.join([program.removeprefix(VENV), *words])}' in CHECKS


def test_the_hook_of_migrations_needs_no_state_folder() -> None:
    program, *words = HOOKS["migrations"]
    assert (program, words[-2:]) == (f"{VENV}python", FOR_TESTS)
    assert f'check "migrations" deployed {shlex.join(words[1:-2])}' in CHECKS
    assert subprocess.run([sys.executable, *words], cwd=ROOT, check=False).returncode == 0
