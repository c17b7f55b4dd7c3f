"""With which options and settings is mariadb-backup called?

Nothing secret is in an argv or the environment: user and password are in a settings file.
That file is read instead of the host's own (``--defaults-file``), so options on the host have no
effect. The tool queries the server for its data directory, its InnoDB and Aria folders and its
plugins.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path, PurePath

from backups.engines.base import Login
from backups.exceptions import EngineError
from backups.logins.tls import Tls

TOOL = "mariadb-backup"
# The name of the settings file, as runners know secret files.
SETTINGS = "settings"
# Likewise the file that names what a partial copy has.
CHOSEN = "chosen"
# The option that has that file.
CHOSEN_OPTION = "--databases-file"
# No server starts without them.
SYSTEM_SCHEMAS = ("mysql", "sys", "performance_schema")

_FILE_NAME = re.compile(r"[A-Za-z0-9_$@]+/[A-Za-z0-9_$@]+")
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


# How often the tool polls for new redo. While it blocks commits, at the very end, it waits for the
# next poll: with its default of 1,000 ms writers were blocked for up to a second.
LOG_COPY_INTERVAL_MS = 20


def build_settings(login: Login) -> str:
    """Return the settings file that logs in to an instance."""
    fields = {"user": login.user, "password": login.password}
    if login.socket:
        fields |= {"socket": login.socket, "protocol": "socket"}
    else:
        # Or "localhost" would mean a socket of the client's choice.
        fields |= {"host": login.host, "port": str(login.port), "protocol": "tcp"}
    if login.tls is not Tls.PREFERRED:
        # Without the option the tool uses the default of its series.
        fields["ssl"] = "0" if login.tls is Tls.OFF else "1"
    lines = [f'{name}="{value.translate(_ESCAPES)}"' for name, value in fields.items()]
    # Every series reads this group; not all read the one named mariadb-backup.
    return "\n".join(["[mariabackup]", *lines, ""])


def build_chosen(names: Collection[str]) -> str:
    """Return the file that names what a partial copy has, beside the schemas of the server.

    ``names`` are schema/table as the server writes them in names of files: no character in them
    means anything to the tool.
    """
    for name in names:
        if not _FILE_NAME.fullmatch(name):
            raise EngineError(f"{name!r} is no name of a table's file")
    return "\n".join([*SYSTEM_SCHEMAS, *(name.replace("/", ".") for name in names), ""])


def certificate_files(login: Login) -> dict[str, str]:
    """Return the files of a login with TLS, by name; EngineError if one cannot be read."""
    files = {}
    for name, path in _certificates(login).items():
        try:
            files[name] = Path(path).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as exc:
            reason = getattr(exc, "strerror", None) or "it is not a PEM file"
            raise EngineError(f"TLS file {path} cannot be read: {reason}") from None
    return files


def _certificates(login: Login) -> dict[str, str]:
    files = login.certificates
    if login.tls is Tls.OFF:
        return {}
    named = {"ca": files.authority if login.tls.verifies else "", "cert": files.own}
    return {name: path for name, path in {**named, "key": files.key}.items() if path}


def backup_argv(
    login: Login, *, threads: int, chosen: bool = False, exclude: str = ""
) -> list[str]:
    """Return the command that streams a copy to stdout: of chosen tables, or of everything.

    ``exclude`` is an extended regular expression; tables that it fits are left out. The tool's
    ``--databases-exclude`` has a list of names, and leaves out all of their schemas.
    """
    return [
        TOOL,
        # Accepted only as the first option.
        f"--defaults-file={{{SETTINGS}}}",
        # On the instance's host these files are copies, at a place the runner chooses.
        *(f"--ssl-{name}={{{name}}}" for name in _certificates(login)),
        # The tool knows one way to verify: CA and name. Over a socket there is neither.
        *(["--ssl-verify-server-cert"] if login.tls.verifies and not login.socket else []),
        "--backup",
        "--stream=mbstream",
        # With one it does not say when it begins to copy: the redo log would stay unguarded.
        f"--parallel={max(threads, 2)}",
        f"--log-copy-interval={LOG_COPY_INTERVAL_MS}",
        *([f"{CHOSEN_OPTION}={{{CHOSEN}}}"] if chosen else []),
        *([f"--tables-exclude={exclude}"] if exclude else []),
        # Required but unused: everything goes to the stream.
        "--target-dir=/tmp",
    ]


def prepare_argv(
    target: str | PurePath,
    *,
    settings: str | PurePath = f"{{{SETTINGS}}}",
    memory_bytes: int | None = None,
) -> list[str]:
    """Return the command that makes a restored copy consistent, in its place.

    ``settings`` is an option file of ours: see ``build_prepare_settings``.
    """
    argv = [TOOL, f"--defaults-file={settings}", "--prepare", f"--target-dir={target}"]
    return [*argv, *([f"--use-memory={memory_bytes}"] if memory_bytes else [])]


def build_prepare_settings(options: Mapping[str, str]) -> str:
    """Return the option file of a prepare. It is read instead of the one in the backup."""
    lines = [f'{name}="{value.translate(_ESCAPES)}"' for name, value in options.items()]
    # The tool wrote the files of its undo tablespaces to where all others are.
    return "\n".join(["[mysqld]", 'innodb_undo_directory="./"', *lines, ""])
