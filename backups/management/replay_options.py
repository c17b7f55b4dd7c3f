"""By which options does a command say up to where archived binlogs are replayed?"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from backups.binlog_archive.recovery.goals import RecoveryGoal, parse_place
from backups.binlogs.moments import parse_moment
from backups.exceptions import BadInput
from backups.parameters import RELAY_LOGS


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
        "--replay-by",
        choices=[RELAY_LOGS],
        default="",
        help="Put the binlogs into the folder as relay logs, where a MySQL server cannot connect "
        "to Mooring.",
    )
    parser.add_argument(
        "--skip-gtid",
        action="append",
        default=[],
        metavar="GTID",
        help="Leave out a transaction; may be repeated.",
    )


def place_given(options: dict[str, Any]) -> RecoveryGoal | None:
    """Return the place alone, without what is left out; None: none was given."""
    return replay_goal({**options, "skip_gtid": []})


def replay_goal(options: dict[str, Any]) -> RecoveryGoal | None:
    """Return what was given; None: the backup as it is. BadInput where it contradicts itself."""
    names = ("until", "until_gtid", "before_gtid", "until_file_pos")
    given = [options[name] for name in names if options[name] is not None]
    if not given and not options["skip_gtid"]:
        return None
    if not all((*given, *options["skip_gtid"])):
        # A script's variable that is not set: without this it would be no place at all.
        raise BadInput("a place up to which binlogs are replayed is empty")
    place = options["until_file_pos"]
    file, position = parse_place(place) if place else ("", None)
    return RecoveryGoal(
        parse_moment(options["until"], settings.TIME_ZONE) if options["until"] else None,
        options["until_gtid"] or "",
        options["before_gtid"] or "",
        file,
        position,
        frozenset(options["skip_gtid"]),
    )
