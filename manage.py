#!/usr/bin/env python3
"""Mooring's commands: ``./mooring manage help`` lists them."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    gc.disable()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monitor.settings")
    from scripts.command_line import run_command_line

    run_command_line(sys.argv)


if __name__ == "__main__":
    main()
