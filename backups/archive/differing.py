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
