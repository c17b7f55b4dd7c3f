"""Every log record of backups names an action, so that logs can be searched by it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def log_calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LEVELS
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "logger"
        ):
            yield node


CALLS = [
    pytest.param(call, id=f"{path.relative_to(ROOT)}:{call.lineno}")
    for path in sorted((ROOT / "backups").rglob("*.py"))
    for call in log_calls(path)
]


@pytest.mark.parametrize("call", CALLS)
def test_it_names_an_action(call: ast.Call) -> None:
    extra = next((word.value for word in call.keywords if word.arg == "extra"), None)
    assert isinstance(extra, ast.Dict)
    assert "action" in [key.value for key in extra.keys if isinstance(key, ast.Constant)]
