"""Doctor, as far as it goes without a server; the rest is in tests/live/test_preflight.py."""

from __future__ import annotations

import pytest

from backups.models import Instance
from tests.commands import run_command

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (("orders-2",), "no instance is called orders-2", "Did you mean orders-1?"),
        (("zz",), "no instance is called zz", "Add one with addinstance."),
        (
            ("orders-1", "--repository", "main"),
            "no repository is called main",
            "Add one with addrepository.",
        ),
    ],
)
def test_bad_input(words: tuple[str, ...], said: str, hint: str) -> None:
    Instance.objects.create(name="orders-1")
    ended = run_command("doctor", *words)
    assert ended.exit_code == 2
    assert ended.stderr == f"error: {said}\nHINT: {hint}\n"


def test_it_needs_an_instance() -> None:
    assert run_command("doctor").exit_code == 2
