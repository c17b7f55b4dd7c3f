"""Which environment does a program get that we start? Named variables only.

Our own holds keys and passwords: a tool that inherits it shows them to whoever can read
``/proc/PID/environ`` of that tool, and to whatever code a hostile backup gets to run in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

# No program of ours keeps anything in a home folder, and none is to read one.
HOME = "/nonexistent"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Where and when we are: neither is a secret.
_PASSED_ON = ("PATH", "TZ", "TMPDIR")


def tool_environment(ours: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the whole environment of a program; ``ours`` is this process's own by default."""
    ours = os.environ if ours is None else ours
    passed_on = {name: ours[name] for name in _PASSED_ON if ours.get(name)}
    # The language of messages that are read by us.
    return {"PATH": DEFAULT_PATH, "LANG": "C.UTF-8", "HOME": HOME} | passed_on
