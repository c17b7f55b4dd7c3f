"""The field of a rate in bytes per second, written as 20M."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from backups.exceptions import BadInput
from backups.pacing.hours import parse_rate

_UNITS = ((1024**4, "T"), (1024**3, "G"), (1024**2, "M"), (1024, "K"))


# Any: what Django hands to fields.
class RateField(forms.CharField):
    """Bytes per second: 20M, 1.5G or a number. Blank is None."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.widget.attrs.setdefault("placeholder", "for example 20M")
        self.widget.attrs.setdefault("autocomplete", "off")

    def prepare_value(self, value: Any) -> Any:
        return write_rate(value) if isinstance(value, int) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, int):
            return value
        text = super().to_python(value)
        if not text:
            return None
        try:
            rate = parse_rate(text)
        except BadInput as exc:
            raise ValidationError(f"This is not a rate. {exc.hint}".strip()) from None
        if rate is None:
            raise ValidationError("Enter a number of bytes per second, such as 20M.")
        return rate


def write_rate(bytes_per_s: int) -> str:
    """Return a rate as it is entered, exactly."""
    for size, unit in _UNITS:
        if bytes_per_s >= size and bytes_per_s % size == 0:
            return f"{bytes_per_s // size}{unit}"
    return str(bytes_per_s)
