"""How is a column's value written in YAML, and read back?

Lengths of time as ``90s``, ``15m``, ``4h``, ``14d`` or combined as ``1h30m``; severities by name.
No queries: model fields only provide the type of a column.
"""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Any

from django.db import models

from backups.exceptions import BadInput
from backups.schedule import LONGEST

_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_LENGTH = re.compile(r"(?:(\d+(?:\.\d+)?)([dhms]))")

# Any in this module: what YAML holds, and what a column of any type does.


def plain(field: models.Field[Any, Any], value: Any) -> Any:
    """Return the value of a column for YAML."""
    if value is None:
        return None
    if isinstance(value, timedelta):
        return format_length(value)
    if isinstance(value, datetime | time):
        return value.isoformat()
    if isinstance(value, models.Model):
        return str(value)
    if isinstance(field, models.IntegerField) and field.choices:
        return str(dict(field.flatchoices)[value]).lower()
    return value


def parsed(field: models.Field[Any, Any], value: Any) -> Any:
    """Return a YAML value as the value of a column; BadInput names the expected type."""
    if value is None:
        return None
    if isinstance(field, models.DurationField):
        return parse_length(value)
    if isinstance(field, models.BooleanField):
        return _checked(value, bool, "true or false")
    if isinstance(field, models.IntegerField) and field.choices:
        return _chosen(field, value)
    if isinstance(field, models.IntegerField):
        return _checked(value, int, "a whole number")
    if isinstance(field, models.FloatField):
        return float(value if type(value) is int else _checked(value, float, "a number"))
    if isinstance(field, models.JSONField):
        return value
    if isinstance(field, models.DateTimeField):
        return _moment(value)
    if isinstance(field, models.TimeField):
        return _time_of_day(value)
    return _checked(value, str, "text")


def _time_of_day(value: Any) -> time:
    try:
        return time.fromisoformat(_checked(value, str, "a time of the day"))
    except ValueError:
        raise BadInput(
            f"{value!r} is not a time of the day", hint="Write it in quotes, as '00:30'."
        ) from None


def format_length(length: timedelta) -> str:
    """Return a length in days, hours, minutes and seconds."""
    rest, parts = length // timedelta(seconds=1), []
    for unit, seconds in _UNITS.items():
        count, rest = divmod(rest, seconds)
        fraction = f".{length.microseconds:06}".rstrip("0") if unit == "s" else ""
        if count or fraction.strip("."):
            parts.append(f"{count}{fraction.rstrip('.')}{unit}")
    return "".join(parts) or "0s"


def parse_length(text: object) -> timedelta:
    """Parse a length such as 1h30m; BadInput if it is invalid."""
    whole = str(text).replace(" ", "")
    parts = _LENGTH.findall(whole)
    if not parts or "".join(f"{count}{unit}" for count, unit in parts) != whole:
        raise BadInput(f"{text!r} is not a length of time", hint="Write it as 90s, 15m, 4h or 14d.")
    seconds = sum(float(count) * _UNITS[unit] for count, unit in parts)
    if seconds > LONGEST.total_seconds():
        raise BadInput(f"{text!r} is longer than 100 years")
    return timedelta(seconds=seconds)


def _checked(value: Any, kind: type, wanted: str) -> Any:
    if type(value) is not kind:
        raise BadInput(f"{value!r} is not {wanted}")
    return value


def _chosen(field: models.Field[Any, Any], value: Any) -> Any:
    by_label = {str(label).lower(): key for key, label in field.flatchoices}
    if str(value).lower() not in by_label:
        raise BadInput(f"{value!r} is not one of {', '.join(by_label)}")
    return by_label[str(value).lower()]


def _moment(value: Any) -> datetime:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise BadInput(f"{value!r} is not a date and time") from None
    if moment.tzinfo is None:
        raise BadInput(f"{value!r} has no offset from UTC")
    return moment
