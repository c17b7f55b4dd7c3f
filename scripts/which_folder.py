"""Which state folder does a command mean?

The one in MOORING_HOME; without that the one that ``up`` or ``demo`` of this clone used last, else
``var``. A command never makes one: a new installation, with new keys, would answer in place of the
one that was meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scripts.console import SetupError
from scripts.processes import ROOT

NOTE = ROOT / ".mooring" / "state-folder"
DEFAULT = ROOT / "var"
HINT = "Start Mooring with ./mooring up, or set MOORING_HOME to its state folder."


def remember_folder(home: Path, note: Path = NOTE) -> None:
    """Note which state folder was used last."""
    note.parent.mkdir(parents=True, exist_ok=True)
    unfinished = note.with_suffix(".part")
    unfinished.write_text(f"{home}\n", encoding="utf-8")
    unfinished.replace(note)


def command_folder(
    environment: Mapping[str, str], note: Path = NOTE, default: Path = DEFAULT
) -> Path:
    """Return the state folder a command is about; SetupError if there is none."""
    if given := environment.get("MOORING_HOME"):
        return _checked(Path(given).resolve(), "MOORING_HOME names")
    try:
        last = note.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return _checked(default, "the default is")
    # Not the default if it is gone: that could be another installation.
    return _checked(Path(last), "./mooring up or demo last used")


def _checked(home: Path, source: str) -> Path:
    if (home / "keys" / "secret.key").exists():
        return home
    raise SetupError(f"no state folder: {source} {home}, which is none", hint=HINT)
