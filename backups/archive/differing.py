"""In which bits do two contents differ?"""

from __future__ import annotations


def xor(content: bytes | memoryview, other: bytes | memoryview) -> bytes:
    """Return the difference of two contents of one length; of it and one, the other."""
    # Here, because few processes need it and it takes memory and time to load.
    import numpy

    length = len(content) // 8 * 8
    words = numpy.frombuffer(content[:length], numpy.uint64)
    words = words ^ numpy.frombuffer(other[:length], numpy.uint64)
    rest = zip(content[length:], other[length:], strict=True)
    return words.tobytes() + bytes(a ^ b for a, b in rest)


def xor_at(content: bytearray, at: int, difference: memoryview) -> None:
    """Replace a part of a content by the other one of its difference, which is of whole words."""
    import numpy

    words = numpy.frombuffer(content, numpy.uint64, len(difference) // 8, at)
    words ^= numpy.frombuffer(difference, numpy.uint64)
