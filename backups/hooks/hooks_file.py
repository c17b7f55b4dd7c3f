"""Which hooks does this host have? A TOML file that only its administrators can write.

Who names a command can do whatever its user can. So neither a command nor a statement is in the
database or on a page, and no instance or schedule names one: the file says to which jobs its hooks
belong. It is read again for each job.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from backups.exceptions import BadInput
from backups.hooks.definition import LONGEST_NAME, Hook, HookScope, OnFailure, RunsOn
from backups.hooks.session_bound import why_useless
from backups.hooks.trusted_file import read_trusted
from backups.states import LATE_HOOK_TIMES, HookTime, Operation

DEFAULT_SECONDS = 60
MOST_SECONDS = 24 * 3600
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{LONGEST_NAME - 1}}}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OF_COMMANDS = {"command", "user", "folder", "confined", "environment"}
_KNOWN = _OF_COMMANDS | {
    "sql", "when", "on", "on_failure", "seconds", "operations", "instances", "groups", "tags",
    "schedules",
}  # fmt: skip
_AROUND_COPY = (HookTime.BEFORE_COPY, HookTime.AFTER_COPY)
Choice = TypeVar("Choice", HookTime, RunsOn, OnFailure)


def load_hooks(file: Path) -> tuple[Hook, ...]:
    """Return the hooks of a file in its order, none if there is no file.

    BadInput says what is wrong with it: no hook of such a file runs.
    """
    text = read_trusted(file)
    if text is None:
        return ()
    try:
        entries = tomllib.loads(text)
    except ValueError as exc:
        raise BadInput(f"{file} is not TOML: {exc}") from None
    return tuple(_hook_of(file, name, entry) for name, entry in entries.items())


# Any: whatever TOML holds, until it was checked.
def _hook_of(file: Path, name: str, entry: Any) -> Hook:
    try:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"a name has up to {LONGEST_NAME} letters, digits, - and _, and begins with a "
                "letter or digit"
            )
        if not isinstance(entry, dict):
            raise ValueError(f"must be a table: [{name}]")
        return _read_entry(name, entry)
    except ValueError as exc:
        raise BadInput(
            f"{file}, hook {name}: {exc}",
            hint="Correct the file, and check it with listhooks.",
        ) from None


def _read_entry(name: str, entry: Mapping[str, Any]) -> Hook:
    if unknown := sorted(set(entry) - _KNOWN):
        raise ValueError(f"unknown: {', '.join(unknown)}")
    if ("command" in entry) == ("sql" in entry):
        raise ValueError("needs either command or sql")
    if "sql" in entry and (others := sorted(set(entry) & _OF_COMMANDS)):
        raise ValueError(f"{', '.join(others)}: not with sql")
    when = _choice(entry, "when", HookTime, None)
    scope = _scope(entry, when)
    return Hook(
        name,
        when,
        _seconds(entry),
        _on(entry, when),
        _on_failure(entry, when),
        scope,
        command=_command(entry),
        sql=_sql(entry),
        user=_text(entry, "user", ""),
        folder=_folder(entry),
        confined=_confined(entry),
        environment=_environment(entry),
    )


def _choice(
    entry: Mapping[str, Any], key: str, kind: type[Choice], default: Choice | None
) -> Choice:
    found = entry.get(key, default)
    for member in kind:
        if found == member.value:
            return member
    raise ValueError(f"{key} must be one of {', '.join(member.value for member in kind)}")


def _on(entry: Mapping[str, Any], when: HookTime) -> RunsOn:
    if "on" in entry and when not in LATE_HOOK_TIMES:
        raise ValueError(f"on is for after hooks: {when} nothing has succeeded or failed")
    return _choice(entry, "on", RunsOn, RunsOn.ALWAYS)


def _on_failure(entry: Mapping[str, Any], when: HookTime) -> OnFailure:
    late = when in LATE_HOOK_TIMES
    usual = OnFailure.WARN if late else OnFailure.REFUSE
    chosen = _choice(entry, "on_failure", OnFailure, usual)
    if late and chosen is OnFailure.REFUSE:
        raise ValueError(f"{when} nothing can be refused: on_failure must be warn")
    return chosen


def _scope(entry: Mapping[str, Any], when: HookTime) -> HookScope:
    known = {operation.value: operation for operation in Operation}
    wanted = _names(entry, "operations") or (Operation.BACKUP.value,)
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"unknown operation {unknown[0]}; there are {', '.join(known)}")
    operations = tuple(known[name] for name in wanted)
    if when in _AROUND_COPY and operations != (Operation.BACKUP,):
        raise ValueError(f"{when} is of backups only")
    names = {key: _names(entry, key) for key in ("instances", "groups", "tags", "schedules")}
    return HookScope(operations, **names)


def _names(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = entry.get(key, [])
    texts = isinstance(found, list) and all(isinstance(name, str) and name for name in found)
    if not texts or (key in entry and not found):
        # An empty list would mean everything, and look like nothing.
        raise ValueError(f"{key} must be a list of names")
    return tuple(found)


def _seconds(entry: Mapping[str, Any]) -> int:
    seconds = entry.get("seconds", DEFAULT_SECONDS)
    if type(seconds) is not int or not 1 <= seconds <= MOST_SECONDS:
        raise ValueError(f"seconds must be a whole number from 1 to {MOST_SECONDS}")
    return seconds


def _command(entry: Mapping[str, Any]) -> tuple[str, ...]:
    if "command" not in entry:
        return ()
    words = entry["command"]
    if not isinstance(words, list) or not words or not all(_is_text(word) for word in words):
        raise ValueError("command must be a list of a program and its arguments")
    if not words[0].startswith("/"):
        raise ValueError(f"command must begin with the absolute path of a program, not {words[0]}")
    return tuple(words)


def _sql(entry: Mapping[str, Any]) -> str:
    if "sql" not in entry:
        return ""
    statement = _text(entry, "sql", "").strip().rstrip(";").strip()
    if not statement:
        raise ValueError("sql must be a statement")
    if why := why_useless(statement):
        raise ValueError(f"sql: {why}")
    return statement


def _text(entry: Mapping[str, Any], key: str, default: str) -> str:
    found = entry.get(key, default)
    if not _is_text(found) or (key in entry and not found):
        raise ValueError(f"{key} must be a text")
    return str(found)


def _folder(entry: Mapping[str, Any]) -> str:
    folder = _text(entry, "folder", "/")
    if not folder.startswith("/"):
        raise ValueError("folder must be an absolute path")
    return folder


def _confined(entry: Mapping[str, Any]) -> bool:
    confined = entry.get("confined", False)
    if not isinstance(confined, bool):
        raise ValueError("confined must be true or false")
    return confined


def _environment(entry: Mapping[str, Any]) -> Mapping[str, str]:
    found = entry.get("environment", {})
    if not isinstance(found, dict) or not all(
        _VARIABLE.fullmatch(name) and _is_text(value) for name, value in found.items()
    ):
        raise ValueError("environment must be a table of names and texts")
    if ours := [name for name in found if name.startswith("MOORING_")]:
        raise ValueError(f"environment: {ours[0]} is set by Mooring")
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value
