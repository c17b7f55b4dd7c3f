"""How fast may a copy read its instance, so that the instance's writers hardly notice it?

``target`` is what is wanted, ``rule`` decides the rate from what ``probe`` observed, ``guard``
keeps a slowed copy from losing its race with the redo log, and ``controller`` is the thread that
ties them to the ``limiter`` through which every byte of the copy passes. No rows, no Django.
"""
