"""How is a rate typed into a form: bytes per second, with K, M, G or T?"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError

from backups.admin.pace import PaceLimitField


# Any: what Django hands to fields.
class RateField(PaceLimitField):
    """Bytes per second: 20M, 1.5G or a number. Blank is None; full is no rate."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.widget.attrs["placeholder"] = "for example 20M"

    def to_python(self, value: Any) -> Any:
        rate = super().to_python(value)
        if rate == 0:
            raise ValidationError("Enter a number of bytes per second, such as 20M.")
        return rate
