"""Repositories on media that are read from the beginning: tapes, and whatever takes a pipe.

Such a medium stores named *pieces*: a piece is written once in order, read back in order from its
first byte, and never changed. Each object of the repository, a pack or a manifest, is one piece.
What a medium cannot say, where an object is and how long it is, is kept in a catalog.
"""
