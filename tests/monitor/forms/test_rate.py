"""A rate is entered as 20M and comes back as it was entered."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from monitor.forms.rate import RateField, write_rate

FIELD = RateField(required=False)


@pytest.mark.parametrize(
    ("text", "rate"), [("20M", 20 << 20), ("1.5G", 3 << 29), ("999", 999), ("", None)]
)
def test_what_is_entered(text: str, rate: int | None) -> None:
    assert FIELD.clean(text) == rate


@pytest.mark.parametrize("text", ["fast", "full", "0", "-1M", "9999999T"])
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        FIELD.clean(text)


@pytest.mark.parametrize(("rate", "text"), [(20 << 20, "20M"), (3 << 29, "1536M"), (999, "999")])
def test_how_it_is_written(rate: int, text: str) -> None:
    assert write_rate(rate) == text
    assert FIELD.clean(text) == rate
