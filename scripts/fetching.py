"""How is a server fetched for the demo? By the script that unpacks it and shows its progress."""

from __future__ import annotations

import subprocess
from pathlib import Path

from scripts.console import SetupError, timed
from scripts.processes import ROOT


def fetch(what: str, script: str, folder: Path, *, otherwise: str) -> None:
    """Have ``scripts/SCRIPT`` unpack it into a folder; ``otherwise`` says how to go on without."""
    argv = ["bash", str(ROOT / "scripts" / script), str(folder)]
    with timed(f"fetching {what}"):
        # What it writes is for people, its last line too.
        if subprocess.run(argv, stdout=subprocess.DEVNULL, check=False).returncode:
            raise SetupError(
                f"{what} could not be fetched into {folder}: see the lines above", hint=otherwise
            )
