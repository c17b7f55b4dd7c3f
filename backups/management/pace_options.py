"""The options of commands that set how a backup is paced."""

from __future__ import annotations

from argparse import ArgumentTypeError

from django.core.management.base import CommandParser

from backups.exceptions import BadInput
from backups.pacing.entered import parse_limit


def rate(text: str) -> int:
    """Read a rate for argparse, which says which option is wrong."""
    try:
        return parse_limit(text)
    except BadInput as exc:
        raise ArgumentTypeError(f"{exc}. {exc.hint}") from None


def add_pace_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--pace-factor",
        type=float,
        help="How many times as long as before a backup statements may take. 0: any.",
    )
    parser.add_argument(
        "--pace-lag-seconds", type=int, help="How much further behind replication may be. 0: any."
    )
    parser.add_argument(
        "--pace-limit",
        dest="pace_bytes_per_s",
        type=rate,
        help="Most bytes per second that a backup reads: 20M, or full.",
    )
    parser.add_argument(
        "--pace-hours", default="", help="Other limits by hours: 08:00-18:00 20M, 22:00-06:00 full."
    )
