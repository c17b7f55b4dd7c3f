"""Which libraries and keys of this host may be used for a copy that needs them?

Libraries come from this host's own plugin folder, keys from a file that this host's admin named.
Neither ever comes out of a backup. A server without grant tables loads none of those that its data
lists, so storage engines are named here as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from backups.engines.base import HostKeys
from backups.engines.mariadb_backup.shaping import KEY_FILE_PLUGIN, Shaping
from backups.exceptions import Refused
from backups.programs.server_program import ask_settings, program

# The option, as the tool has it; a server has one more, which adds to it.
LOAD = "plugin_load"
# Engines whose rows are in a copy, by library. Those whose rows are elsewhere (FEDERATED, CONNECT,
# SPIDER, S3, SPHINX) are not loaded: a copied table could have them open what this host can reach.
ENGINES = ("ha_archive", "ha_blackhole")
ROCKSDB = "ha_rocksdb"
# Where it is not, loading the engine would make it.
ROCKSDB_FOLDER = "#rocksdb"


def plugin_options(shaping: Shaping, keys: HostKeys, engines: Sequence[str] = ()) -> dict[str, str]:
    """Return what loads the plugins of a copy, or raise Refused where this host lacks one.

    ``engines`` are the libraries of engines to load as well: see ``engines_here``.
    """
    if not shaping.plugins and not engines:
        return {}
    folder = _plugin_folder(keys)
    if not folder:
        raise Refused(
            "mariadbd does not report its plugin folder",
            hint="Name their folder in MOORING_MARIADB_PLUGIN_DIR.",
        )
    for name in shaping.plugins:
        if not (Path(folder) / f"{name}.so").is_file():
            raise Refused(
                f"the backup needs the plugin {name}, and there is no {folder}/{name}.so",
                hint="Install it (on Debian it is in mariadb-server or mariadb-plugin-provider-*), "
                "or name its folder in MOORING_MARIADB_PLUGIN_DIR.",
            )
    named = [f"{name}={name}.so" for name in shaping.plugins]
    options = {
        LOAD: ";".join([*named, *(f"{name}.so" for name in engines)]),
        "plugin_dir": folder,
    }
    return options | (_key_options(shaping, keys) if shaping.needs_keys else {})


def engines_here(copy: Path, keys: HostKeys) -> tuple[str, ...]:
    """Return the libraries of this host for storage engines that a copy may have tables of."""
    if not (folder := _plugin_folder(keys)):
        return ()
    wanted = [*ENGINES, *([ROCKSDB] if (copy / ROCKSDB_FOLDER).is_dir() else [])]
    return tuple(name for name in wanted if Path(folder, f"{name}.so").is_file())


def _key_options(shaping: Shaping, keys: HostKeys) -> dict[str, str]:
    if not keys.key_file:
        raise needs_keys("its files are encrypted, and this host names no file with their keys")
    for file in filter(None, (keys.key_file, keys.key_file_password)):
        if not os.access(file, os.R_OK):
            raise needs_keys(f"{file} cannot be read by the worker")
    options = {f"{KEY_FILE_PLUGIN}_filename": keys.key_file, **shaping.key_settings}
    if keys.key_file_password:
        options[f"{KEY_FILE_PLUGIN}_filekey"] = f"FILE:{keys.key_file_password}"
    return options


def needs_keys(why: str) -> Refused:
    """Return what ends a job whose copy cannot be opened here: no evidence on the copy."""
    return Refused(
        f"the backup needs keys: {why}",
        hint="Name the instance's key file in MOORING_MARIADB_KEY_FILE, and the file of its "
        "password, if it has one, in MOORING_MARIADB_KEY_FILE_PASSWORD, both readable by "
        "MOORING_RUN_USER; until then it is unknown whether the copy is sound.",
    )


def readable_paths(keys: HostKeys) -> tuple[Path, ...]:
    """Return what a program behind walls must be able to read besides the copy."""
    named = (keys.key_file, keys.key_file_password, keys.plugin_folder)
    return tuple(Path(name) for name in named if name and Path(name).exists())


def _plugin_folder(keys: HostKeys) -> str:
    return keys.plugin_folder or _own_plugin_folder()


@lru_cache(maxsize=1)
def _own_plugin_folder() -> str:
    """Return where this host's MariaDB has its plugins, as it reports itself; blank: unknown."""
    settings = ask_settings(program("mariadbd"))
    match = re.search(r"^plugin-dir\s+(/\S*)\s*$", settings, re.MULTILINE)
    return match[1].rstrip("/") if match else ""
