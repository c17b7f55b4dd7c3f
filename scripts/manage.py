"""Run one of Mooring's commands on a state folder that is up to date.

    python -m scripts.manage WORDS

A folder that is none is refused: only ``up`` and ``demo`` make one.
Brings the folder up to date in the same process: a process of its own for that would set up
Django twice before every command.
"""

from __future__ import annotations

import gc
import os
import sys

from backups.runners.priority import lower_own_priority, lower_own_session
from scripts.console import SetupError, give_up
from scripts.prepare import prepare_for_commands
from scripts.which_folder import command_folder


def main() -> None:
    gc.disable()
    try:
        # For all that read it afterwards: the settings first of all.
        os.environ["MOORING_HOME"] = str(command_folder(os.environ))
        prepare_for_commands()
    except SetupError as exc:
        give_up(str(exc), exc.hint)
    if "--foreground" in sys.argv:
        # The job copies, compresses and encrypts in this process, perhaps beside its server.
        lower_own_priority()
        lower_own_session()
    from scripts.command_line import run_command_line

    run_command_line(["manage.py", *sys.argv[1:]])


if __name__ == "__main__":
    main()
