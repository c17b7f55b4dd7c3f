"""How is a MySQL server given a keyring without a change to its installation?

A server looks for its manifest beside the program it was started as, and for the settings of
its keyring in its plugin folder. A private folder with links to both makes it find ours.
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
# What a server works out from where it was started, and would get wrong in our folder.
_PLACES = ("basedir", "lc-messages-dir", "character-sets-dir", "plugin-dir")


def manifest() -> str:
    """Return what makes a server load the keyring before it opens a file."""
    return json.dumps({"components": f"file://{COMPONENT}"})


def component_config(keyring: Path, *, read_only: bool) -> str:
    return json.dumps({"path": str(keyring), "read_only": read_only})


def check_keyring_component(server: ServerProgram) -> None:
    """Raise Refused where a server has no keyring that could read ours."""
    plugin = Path(_places(server)["plugin-dir"]) / f"{COMPONENT}.so"
    if not plugin.is_file():
        raise Refused(
            f"{server.path} cannot open encrypted files: it has no {plugin}",
            hint=f"Give one with --mysqld PATH that has {COMPONENT}: MySQL 8.0.24 or newer.",
        )


def link_with_keyring(server: ServerProgram, keyring: Path, folder: Path) -> ServerProgram:
    """Return the same server, reached by a new folder where its keyring is set up.

    The keyring stays as it is: a server that would change it ends with an error.
    """
    check_keyring_component(server)
    places = _places(server)
    programs, plugins = folder / "bin", folder / "plugin"
    for made in (folder, programs, plugins):
        made.mkdir()
        # The server may run as another user than we do.
        made.chmod(0o755)
    path = programs / "mysqld"
    path.symlink_to(Path(server.path).resolve())
    # Others too: the server loads some of them by itself. Their settings stay behind.
    for library in Path(places["plugin-dir"]).glob("*.so"):
        (plugins / library.name).symlink_to(library.resolve())
    _write(programs / "mysqld.my", manifest())
    _write(plugins / f"{COMPONENT}.cnf", component_config(keyring, read_only=True))
    words = {**server.words, **places, "plugin-dir": str(plugins)}
    return replace(server, path=str(path), words=words)


def _write(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")
    path.chmod(0o444)


def _places(server: ServerProgram) -> Mapping[str, str]:
    """Return the folders a server uses: as it is told, else as it says itself."""
    told = {name: server.words[name] for name in _PLACES if name in server.words}
    return told if len(told) == len(_PLACES) else _said_by(server.path) | told


def _said_by(path: str) -> dict[str, str]:
    pattern = rf"^({'|'.join(_PLACES)})\s+(/.*?)\s*$"
    said = {name: place for name, place in re.findall(pattern, ask_settings(path), re.MULTILINE)}
    if missing := [name for name in _PLACES if name not in said]:
        raise EngineError(f"{path} does not tell its {', '.join(missing)}")
    return said
