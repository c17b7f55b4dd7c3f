"""Which date or time are the bytes of a temporal column? As text, in the way servers print it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The types of JSON's packed moments.
_TIMESTAMP, _DATE, _TIME = 7, 10, 11


def fraction_size(digits: int) -> int:
    return (digits + 1) // 2


def read_date(content: bytes) -> str:
    value = int.from_bytes(content[:3], "little")
    return f"{value >> 9:04}-{value >> 5 & 15:02}-{value & 31:02}"


def read_timestamp(content: bytes, digits: int) -> str:
    """Return a TIMESTAMP in UTC; the zero one stays zero."""
    seconds = int.from_bytes(content[:4], "big")
    fraction = _fraction(content[4:], digits)
    if seconds == 0:
        return f"0000-00-00 00:00:00{fraction}"
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction}"


def read_datetime(content: bytes, digits: int) -> str:
    value = int.from_bytes(content[:5], "big") - (1 << 39)
    return _datetime(value) + _fraction(content[5:], digits)


def read_time(content: bytes, digits: int) -> str:
    """Return a TIME, which may be negative, and then its fraction counts from below."""
    size = 3 + fraction_size(digits)
    whole = int.from_bytes(content[:size], "big") - (1 << (8 * size - 1))
    sign, whole = ("-", -whole) if whole < 0 else ("", whole)
    bits = 8 * fraction_size(digits)
    value = whole >> bits
    fraction = (whole & (1 << bits) - 1).to_bytes(fraction_size(digits), "big")
    return f"{sign}{_time(value)}{_fraction(fraction, digits)}"


def packed_temporal(kind: int, packed: int) -> str:
    """Return the moment of a JSON value: seconds and more above 24 bits of microseconds."""
    sign, packed = ("-", -packed) if packed < 0 else ("", packed)
    value, micros = packed >> 24, packed & 0xFFFFFF
    if kind == _TIME:
        return f"{sign}{_time(value)}.{micros:06}"
    text = _datetime(value)
    return text[:10] if kind == _DATE else f"{text}.{micros:06}"


def _datetime(value: int) -> str:
    year, month = divmod(value >> 22, 13)
    day, clock = value >> 17 & 31, value & 0x1FFFF
    return f"{year:04}-{month:02}-{day:02} {clock >> 12:02}:{clock >> 6 & 63:02}:{clock & 63:02}"


def _time(value: int) -> str:
    return f"{value >> 12 & 0x3FF:02}:{value >> 6 & 63:02}:{value & 63:02}"


def _fraction(content: bytes, digits: int) -> str:
    if not digits:
        return ""
    size = fraction_size(digits)
    value = int.from_bytes(content[:size], "big")
    # Two digits per byte: an odd last one is a ten.
    text = str(value).rjust(2 * size, "0")[:digits]
    return f".{text}"
