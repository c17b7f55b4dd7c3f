"""By which options does a command say up to where archived binlogs are replayed?"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from backups.binlog_archive.goals import RecoveryGoal, parse_place
from backups.binlogs.moments import parse_moment


def add_replay_options(parser: CommandParser) -> None:
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--until",
        metavar="MOMENT",
        help="Replay binlogs to the state at a moment, as '2026-03-02 14:05:00 Europe/Berlin'.",
    )
    place.add_argument("--until-gtid", metavar="GTID", help="Replay up to and with a transaction.")
    place.add_argument("--before-gtid", metavar="GTID", help="Replay what is before a transaction.")
    place.add_argument(
        "--until-file-pos", metavar="FILE:POS", help="Replay up to a place in the server's binlogs."
    )
    parser.add_argument(
        "--skip-gtid",
        action="append",
        default=[],
        metavar="GTID",
        help="Leave out a transaction; may be repeated.",
    )


def replay_goal(options: dict[str, Any]) -> RecoveryGoal | None:
    """Return what was given; None: the backup as it is. BadInput where it contradicts itself."""
    given = (options["until"], options["until_gtid"], options["before_gtid"])
    if not any((*given, options["until_file_pos"], options["skip_gtid"])):
        return None
    place = options["until_file_pos"]
    file, position = parse_place(place) if place else ("", None)
    return RecoveryGoal(
        parse_moment(options["until"], settings.TIME_ZONE) if options["until"] else None,
        (options["until_gtid"] or "").lower(),
        (options["before_gtid"] or "").lower(),
        file,
        position,
        frozenset(each.lower() for each in options["skip_gtid"]),
    )
