"""Does docs/alerts.md know every rule and each of its thresholds?"""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts.rules import RULES

TEXT = (Path(__file__).resolve().parents[2] / "docs/alerts.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_its_row(name: str) -> None:
    (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{name}` |")]
    assert RULES[name].resolves_when in row
    for threshold in RULES[name].thresholds:
        default = "off" if threshold.default is None else f"{threshold.default:g}"
        assert f"`{threshold.name}` {default}" in row
