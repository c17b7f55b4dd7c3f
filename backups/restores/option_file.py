"""With which settings does a server start on a restored folder? Writes a fragment of a my.cnf.

Pure: facts in, text out. The file is named so that no server reads it by itself, and settings that
only a person can decide are in it as comments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from backups.programs.server_settings import ServerSettings

OPTION_FILE = "mooring-my.cnf"
# Kept as the donor had them: they decide the meaning of rows, or a replica needs them.
_KEPT = (
    "lower_case_table_names",
    "character_set_server",
    "collation_server",
    "sql_mode",
    "max_allowed_packet",
    "enforce_gtid_consistency",
    "gtid_mode",
)
_REDO = ("innodb_redo_log_capacity", "innodb_log_file_size")
_TO_DECIDE = ("server_id", "port", "socket", "log_bin_basename", "binlog_format", "event_scheduler")
_OPTION_FOR = {"log_bin_basename": "log_bin"}
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def build_option_file(
    folder: Path,
    *,
    label: str,
    shaping: Mapping[str, str],
    server: ServerSettings,
    external_files: Mapping[str, str],
    replication_off: str,
) -> str:
    """Return the fragment; ``shaping`` are the options a server needs to accept the files.

    ``replication_off`` is the option that keeps the server from resuming replication.
    """
    settings = {"datadir": str(folder)}
    settings |= {name.replace("-", "_"): value for name, value in shaping.items()}
    for name in _KEPT:
        if server.variables.get(name):
            settings.setdefault(name, server.variables[name])
    settings |= _redo(server)
    if server.variables.get("time_zone", "SYSTEM") != "SYSTEM":
        settings["default_time_zone"] = server.variables["time_zone"]
    lines = [
        f"# For a server on the restored backup {_one_line(label)}. Include it in a my.cnf, or",
        "# start with --defaults-file.",
        "[mysqld]",
        *(f"{name} = {quoted_value(value)}" for name, value in settings.items()),
        "",
        "# A restored server does nothing by itself: no replication, no events. Remove these two",
        "# lines where it is to go on as the server that was backed up.",
        f"{replication_off.replace('-', '_')} = ON",
        "event_scheduler = OFF",
        *_to_decide(server),
        *_plugins(server.plugins),
        *_places(server, external_files),
    ]
    return "\n".join(lines) + "\n"


def quoted_value(value: str) -> str:
    """Write a value so that nothing in it is a comment, an escape or the end of the line."""
    return '"' + "".join(_ESCAPES.get(letter, letter) for letter in value) + '"'


def _redo(server: ServerSettings) -> dict[str, str]:
    """Return the size of the redo log, by the variable this server has for it."""
    for name in _REDO:
        if server.variables.get(name):
            return {name: server.variables[name]}
    return {}


def _to_decide(server: ServerSettings) -> Iterable[str]:
    yield ""
    yield "# To be decided by hand. The server that was backed up had:"
    for name in _TO_DECIDE:
        if value := server.variables.get(name):
            yield f"# {_OPTION_FOR.get(name, name)} = {quoted_value(value)}"


def _plugins(plugins: Mapping[str, str]) -> Iterable[str]:
    if not plugins:
        return
    yield ""
    yield "# Plugins it had loaded. Those from INSTALL PLUGIN load by themselves if installed."
    for name, library in plugins.items():
        yield f"# plugin_load_add = {quoted_value(f'{name}={library}')}"


def _places(server: ServerSettings, external_files: Mapping[str, str]) -> Iterable[str]:
    """List the files that were elsewhere; in the folder a server finds them by itself."""
    places = [
        f"# {name} = {quoted_value(server.variables[name])}"
        for name in ("innodb_undo_directory", "innodb_directories")
        if server.variables.get(name, "./") not in {"", ".", "./"}
    ]
    places += [
        f"# {_one_line(there)} was {_one_line(was)}" for there, was in external_files.items()
    ]
    if places:
        yield ""
        yield "# All files are in the folder above. The backed-up server had these elsewhere:"
        yield from places


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())
