"""Can the backup tool work with the settings that the server gives to new sessions?

Mooring's own connections set what their results depend on; mariadb-backup does not, and ends by a
signal, or misses settings of the server, where its queries return only some of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backups.checks import Check, Verdict
from backups.instances.facts import ServerFacts
from backups.logins.session import NO_LIMIT
from backups.programs.compatibility import MARIADB_BACKUP

NAME = "session settings"


def check_session_settings(facts: ServerFacts, engine: str) -> Check:
    """Check what a session of the tool, with the same account, is given."""
    if not facts.session_settings:
        return Check(NAME, Verdict.UNKNOWN, "not read")
    limits = _limits(facts.session_settings)
    source = "init_connect or a global setting" if facts.init_connect else "a global setting"
    if not limits:
        note = "; init_connect runs in each session first" if facts.init_connect else ""
        return Check(NAME, Verdict.OK, f"no limit on rows or joins{note}")
    named = ", ".join(limits.values())
    if engine != MARIADB_BACKUP:
        found = f"{named} from {source}; not in effect for connections of Mooring"
        return Check(NAME, Verdict.OK, found)
    return Check(
        NAME,
        Verdict.FAILED,
        f"{named} from {source}: mariadb-backup cannot work under such a limit",
        " ".join(_statements(limits, facts.init_connect)),
    )


def _limits(given: Mapping[str, str]) -> dict[str, str]:
    """Return the limits by variable, with their value as text."""
    limits = {}
    if int(given["sql_select_limit"]) < NO_LIMIT:
        limits["sql_select_limit"] = f"sql_select_limit = {given['sql_select_limit']}"
    if not int(given["sql_big_selects"]) and int(given["max_join_size"]) < NO_LIMIT:
        limits["max_join_size"] = f"max_join_size = {given['max_join_size']}"
    return limits


def _statements(limits: Mapping[str, str], init_connect: str) -> Sequence[str]:
    ours = [f"Run SET GLOBAL {name} = {NO_LIMIT};" for name in limits]
    return [*ours, "Check init_connect too."] if init_connect else ours
