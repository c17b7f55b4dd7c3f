"""Where is the keyring of a restored copy, and what does a server need to use it?"""

from __future__ import annotations

from pathlib import Path

from backups.programs.keyring_program import COMPONENT, component_config, manifest

# In a folder of its own, which only the server's user may enter.
KEYRING_FILE = f"mooring-keyring/{COMPONENT}"


def keyring_of(folder: Path) -> Path | None:
    """Return the keyring of a restored copy; None if it is not encrypted."""
    path = folder / KEYRING_FILE
    return path if path.is_file() else None


def describe_keyring(keyring: Path) -> dict[str, str]:
    """Return what a permanent server needs: the keyring, and two files that refer to it."""
    return {
        "file": str(keyring),
        "manifest": manifest(),
        "configuration": component_config(keyring, read_only=False),
    }


def explain_keyring(keyring: Path) -> list[str]:
    """Return the same as lines for a person."""
    needed = describe_keyring(keyring)
    return [
        f"Its files are encrypted. Their master key is in {needed['file']}:",
        "anyone with that file can read them. Before it starts, the server needs",
        f"beside its mysqld a file mysqld.my:        {needed['manifest']}",
        f"in its plugin folder a {COMPONENT}.cnf: {needed['configuration']}",
        "If it has a keyring already, add the key in that file to it instead.",
        "Once it runs: ALTER INSTANCE ROTATE INNODB MASTER KEY;",
    ]
