"""Which settings of a copy are believed? Those that shape its files, each value by its pattern.

The tool writes ``backup-my.cnf`` beside its copy. Whoever could write into the repository, or
into the stream, could write anything there: read by a program as its own option file, a
``plugin_load`` would be code that runs here. So no program ever sees that file. What is needed of
it goes into an option file of our own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backups.archive.contained import read_contained
from backups.exceptions import EngineError, Refused

SETTINGS_FILE = "backup-my.cnf"
# The tool's own is never a hundredth of this.
MOST_BYTES = 1 << 16

_SIZE = r"\d{1,15}[KMGkmg]?"
_DATA_FILE = rf"[\w.$-]+:{_SIZE}(?::autoextend(?::max:{_SIZE})?)?"
# Nothing here names a folder: everything was restored to one.
PATTERNS: Mapping[str, str] = {
    "innodb_page_size": r"4096|8192|16384|32768|65536|4k|8k|16k|32k|64k",
    "innodb_data_file_path": rf"{_DATA_FILE}(?:;{_DATA_FILE})*",
    "innodb_undo_tablespaces": r"\d{1,3}",
    "innodb_checksum_algorithm": r"(?:strict_)?(?:crc32|full_crc32|innodb|none)",
    "innodb_log_file_size": r"\d{1,15}",
    "innodb_log_files_in_group": r"\d{1,3}",
    "innodb_compression_level": r"\d",
}
# With the plugin that reads keys from a file; which file is for the admin of this host to say.
KEY_PATTERNS: Mapping[str, str] = {
    "file_key_management_encryption_algorithm": r"aes_cbc|aes_ctr",
    "file_key_management_digest": r"sha1|sha224|sha256|sha384|sha512",
    "file_key_management_use_pbkdf2": r"\d{1,9}",
    "innodb_encrypt_log": r"0|1|ON|OFF",
}
KEY_FILE_PLUGIN = "file_key_management"
# Their keys are on a server, with credentials that are not for a restored copy to use.
KEY_SERVER_PLUGINS = frozenset({"hashicorp_key_management", "aws_key_management"})
# What a program may load for a backup, each by its own library of this host.
PLUGINS = frozenset(
    {
        KEY_FILE_PLUGIN,
        *(f"provider_{name}" for name in ("bzip2", "lz4", "lzma", "lzo", "snappy")),
    }
)
# A plugin by its name, its library, or both; the library has the plugin's name.
_PLUGIN = re.compile(r"(\w+)(?:=(\w+?)(?:\.so)?)?(?:\.so)?")


@dataclass(frozen=True, slots=True)
class Shaping:
    """What a copy needs of whoever opens its files."""

    settings: Mapping[str, str] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
    key_settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_keys(self) -> bool:
        return KEY_FILE_PLUGIN in self.plugins


def read_shaping(folder: Path) -> Shaping:
    """Read what the copy in ``folder`` tells, or raise EngineError."""
    path = folder / SETTINGS_FILE
    try:
        text = read_contained(folder, SETTINGS_FILE, most_bytes=MOST_BYTES).decode()
    except OSError as exc:
        raise EngineError(f"{path} cannot be read: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise EngineError(f"{path} cannot be read: it is not text") from None
    return parse_shaping(text)


def parse_shaping(text: str) -> Shaping:
    """Take out what is allowed; EngineError where an allowed name has an impossible value."""
    given = dict(_options(text))
    return Shaping(_matching(given, PATTERNS), _plugins(given), _matching(given, KEY_PATTERNS))


def named_plugins(text: str) -> tuple[str, ...]:
    """Return the names in such a file that are known here; a backup is taken whatever they are."""
    words = re.split(r"[;\s]+", dict(_options(text)).get("plugin_load", ""))
    names = (word.partition("=")[0] for word in words)
    return tuple(dict.fromkeys(name for name in names if name in PLUGINS | KEY_SERVER_PLUGINS))


def refuse_key_server(names: Iterable[str]) -> None:
    """Raise Refused where the keys of a copy are not in a file."""
    for name in KEY_SERVER_PLUGINS.intersection(names):
        raise Refused(
            f"the backup's keys are in {name}, which Mooring does not load",
            hint="Restore with --raw and prepare it where that plugin is set up; whether the "
            "copy is sound is unknown here.",
        )


def _options(text: str) -> Iterator[tuple[str, str]]:
    """Yield the options of the server's own group, as the tool wrote them."""
    group = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            group = stripped
        elif group == "[mysqld]" and not stripped.startswith(("#", ";", "!")):
            name, _, value = stripped.partition("=")
            yield name.strip().replace("-", "_").lower(), value.strip()


def _matching(given: Mapping[str, str], patterns: Mapping[str, str]) -> dict[str, str]:
    allowed = {name: given[name] for name in patterns if given.get(name)}
    for name, value in allowed.items():
        if not re.fullmatch(patterns[name], value, flags=re.ASCII):
            raise EngineError(
                f"{SETTINGS_FILE} of the backup sets {name} to {value[:100]!r}, "
                "which no server of MariaDB writes there",
                hint="Find out who changed the backup; use another copy or another backup.",
            )
    return allowed


def _plugins(given: Mapping[str, str]) -> tuple[str, ...]:
    """Return the plugins a copy needs, by name; its own folder for them is never looked at.

    EngineError where no server loads such a one, Refused where only Mooring does not.
    """
    named: list[str] = []
    for word in filter(None, re.split(r"[;\s]+", given.get("plugin_load", ""))):
        match = _PLUGIN.fullmatch(word)
        if match:
            refuse_key_server(match.groups())
        if match is None or match[1] not in PLUGINS or match[2] not in {None, match[1]}:
            raise EngineError(
                f"{SETTINGS_FILE} of the backup loads the plugin {word[:100]!r}, "
                f"which is none of those Mooring loads: {', '.join(sorted(PLUGINS))}",
                hint="Find out where that comes from. Nothing of it was loaded.",
            )
        named.append(match[1])
    return tuple(dict.fromkeys(named))
