"""Which number are the bytes of a DECIMAL? Nine digits in four bytes, fewer in fewer."""

from __future__ import annotations

from decimal import Decimal

from backups.exceptions import BinlogDamaged

# How many bytes some digits take.
_BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
_LARGEST_PRECISION = 65


def decimal_size(precision: int, scale: int) -> int:
    """Return how many bytes a DECIMAL(precision, scale) takes."""
    whole = precision - scale
    if not 0 <= scale <= precision <= _LARGEST_PRECISION:
        raise BinlogDamaged(f"there is no DECIMAL({precision}, {scale})")
    return sum(4 * (digits // 9) + _BYTES[digits % 9] for digits in (whole, scale))


def read_decimal(content: bytes, precision: int, scale: int) -> tuple[Decimal, int]:
    """Return the number at the beginning, and how many bytes it took; or raise BinlogDamaged."""
    size = decimal_size(precision, scale)
    if len(content) < size:
        raise BinlogDamaged(f"a DECIMAL of {size} bytes ends after {len(content)}")
    positive = bool(content[0] & 0x80)
    stored = bytearray(content[:size])
    stored[0] ^= 0x80
    if not positive:
        stored = bytearray(byte ^ 0xFF for byte in stored)
    whole = precision - scale
    # In front of the point the odd digits come first, behind it last.
    lengths = [whole % 9, *[9] * (whole // 9)], [*[9] * (scale // 9), scale % 9]
    digits, at = [], 0
    for part in lengths:
        text = ""
        for length in filter(None, part):
            width = _BYTES[length]
            text += str(int.from_bytes(stored[at : at + width], "big")).rjust(length, "0")
            at += width
        digits.append(text)
    sign = "" if positive else "-"
    behind = f".{digits[1]}" if scale else ""
    return Decimal(f"{sign}{digits[0] or '0'}{behind}"), size
