"""Is the evidence of an instance still what was recorded: nothing changed, removed or put in?

Each row of evidence (a verify, a restore test, a drill, a rehearsal) is a link of its instance's
chain. A link has a hash over the row's content and the link before, so that who changes an old row
must change every later link, and ends at another head than the one that was sent elsewhere.
"""

from __future__ import annotations
