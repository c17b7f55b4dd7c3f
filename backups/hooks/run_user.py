"""As whom does the command of a hook run?

Where we are root: as the user that its entry names, or the one of all programs without rights. As
root only where the entry says so.
"""

from __future__ import annotations

import os
import pwd

from django.conf import settings

from backups.exceptions import BadInput

ROOT = "root"


def owner_of(user: str) -> tuple[int, int] | None:
    """Return the ids of the user and its group; None: it runs as we do. BadInput if it cannot."""
    wanted = user or (settings.RUN_USER if os.geteuid() == 0 else "")
    if not wanted:
        return None
    try:
        found = pwd.getpwnam(wanted)
    except KeyError:
        raise BadInput(
            f"there is no user {wanted}",
            hint=f"Create it with useradd --system --no-create-home {wanted}, or name another.",
        ) from None
    if os.geteuid() != 0 and found.pw_uid != os.geteuid():
        raise BadInput(
            f"a worker that is not root cannot run a command as {wanted}",
            hint="Leave user out, or run the worker as root.",
        )
    if found.pw_uid == 0 and user != ROOT:
        raise BadInput(f"{wanted} is root", hint='Write user = "root" where that is meant.')
    return (found.pw_uid, found.pw_gid)
