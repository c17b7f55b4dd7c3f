"""A fleet to look at: sixty made-up instances with a year of backups, and trouble in it.

    python -m scripts.demo_fleet

Rows only: no server and no stored byte stands behind them. All of them are in the group
``sample``, and a file in the state folder has every page say so. Seeds once.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

from scripts.console import SetupError, complain, say
from scripts.processes import home

MARK = "sample-data"


def seed(folder: Path) -> bool:
    """Fill the database once; False where it has the fleet already."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monitor.settings")
    django.setup()
    from django.utils.timezone import now

    from backups.models import InstanceGroup
    from scripts.sample_instances import SAMPLE
    from scripts.sample_rows import seed_fleet

    (folder / MARK).touch()
    if InstanceGroup.objects.filter(name=SAMPLE).exists():
        return False
    began = time.monotonic()
    counts = seed_fleet(folder / "sample", now() - timedelta(minutes=1))
    rows = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    say(f"sample fleet: {rows}, in {time.monotonic() - began:.0f} s")
    return True


def main() -> int:
    try:
        if not seed(home(os.environ)):
            say("the sample fleet is there already")
    except SetupError as exc:
        complain(str(exc), exc.hint)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
