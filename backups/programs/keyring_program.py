"""How does a MySQL server get a keyring without a change to its installation?

A server looks for its manifest beside its program, and for the settings of its keyring in its
plugin folder. A private folder with links to both makes it find ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from backups.exceptions import EngineError, Refused
from backups.programs.server_program import ServerProgram, ask_settings

COMPONENT = "component_keyring_file"
# Paths a server derives from its program's location, which would be wrong in our folder.
_PLACES = ("basedir", "lc-messages-dir", "character-sets-dir", "plugin-dir")


def manifest() -> str:
    """Return what makes a server load the keyring before it opens a file."""
    return json.dumps({"components": f"file://{COMPONENT}"})


def component_config(keyring: Path, *, read_only: bool) -> str:
    return json.dumps({"path": str(keyring), "read_only": read_only})


def check_keyring_component(server: ServerProgram) -> None:
    """Raise Refused if a server lacks the keyring component that reads ours."""
    plugin = Path(_places(server)["plugin-dir"]) / f"{COMPONENT}.so"
    if not plugin.is_file():
        raise Refused(
            f"{server.path} cannot open encrypted files: {plugin} is missing",
            hint=f"Give a server with {COMPONENT}, MySQL 8.0.24 or newer, with --mysqld PATH.",
        )


def link_with_keyring(server: ServerProgram, keyring: Path, folder: Path) -> ServerProgram:
    """Return the same server, linked from a new folder in which its keyring is set up.

    The keyring is read-only: a server that tries to change it ends with an error.
    """
    check_keyring_component(server)
    places = _places(server)
    programs, plugins = folder / "bin", folder / "plugin"
    for made in (folder, programs, plugins):
        made.mkdir()
        # The server may run as a different user.
        made.chmod(0o755)
    path = programs / "mysqld"
    path.symlink_to(Path(server.path).resolve())
    # All plugins, because the server loads some by itself, but not their settings.
    for library in Path(places["plugin-dir"]).glob("*.so"):
        (plugins / library.name).symlink_to(library.resolve())
    _write(programs / "mysqld.my", manifest())
    _write(plugins / f"{COMPONENT}.cnf", component_config(keyring, read_only=True))
    options = {**server.options, **places, "plugin-dir": str(plugins)}
    return replace(server, path=str(path), options=options)


def _write(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")
    path.chmod(0o444)


def _places(server: ServerProgram) -> Mapping[str, str]:
    """Return the folders a server uses: as set, otherwise as the server reports them."""
    given = {name: server.options[name] for name in _PLACES if name in server.options}
    return given if len(given) == len(_PLACES) else _reported_by(server.path) | given


def _reported_by(path: str) -> dict[str, str]:
    pattern = rf"^({'|'.join(_PLACES)})\s+(/.*?)\s*$"
    places = {name: place for name, place in re.findall(pattern, ask_settings(path), re.MULTILINE)}
    if missing := [name for name in _PLACES if name not in places]:
        raise EngineError(f"{path} does not report its {', '.join(missing)}")
    return places
