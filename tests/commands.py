"""Runs a command as a shell would, inside the test's own process and database transaction."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

from django.core.management import call_command, load_command_class
from django.core.management.base import CommandError

from backups.management.output import MooringCommand


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended and what it said."""

    exit_code: int
    stdout: str
    stderr: str

    def json(self) -> dict[str, Any]:
        """Return the one object it printed. Any: each command decides what is in it."""
        answer = json.loads(self.stdout)
        assert isinstance(answer, dict)
        return answer


def run_command(name: str, *words: str, app: str = "backups") -> Ended:
    """Run ``name`` with ``words``; a traceback that a shell would show is raised."""
    command = load_command_class(app, name)
    assert isinstance(command, MooringCommand)
    command.is_program = True
    out, err, exit_code = io.StringIO(), io.StringIO(), 0
    try:
        call_command(command, *words, stdout=out, stderr=err, no_color=True)
    except SystemExit as exc:
        assert isinstance(exc.code, int)
        exit_code = exc.code
    except CommandError as exc:
        # Argparse says this itself, and exits with 2, when it is run by a shell.
        exit_code = 2
        err.write(str(exc))
    return Ended(exit_code, out.getvalue(), err.getvalue())
