"""Where is the keyring of a restored copy, and what must a server be given to use it?"""

from __future__ import annotations

from pathlib import Path

from backups.programs.keyring_program import COMPONENT, component_config, manifest

# In a folder of its own, which only the server's user may enter.
KEYRING_FILE = f"mooring-keyring/{COMPONENT}"


def keyring_of(folder: Path) -> Path | None:
    """Return the keyring of a restored copy; None where nothing of it is encrypted."""
    path = folder / KEYRING_FILE
    return path if path.is_file() else None


def describe_keyring(keyring: Path) -> dict[str, str]:
    """Return what a permanent server needs: the keyring, and two files that name it."""
    return {
        "file": str(keyring),
        "manifest": manifest(),
        "configuration": component_config(keyring, read_only=False),
    }


def explain_keyring(keyring: Path) -> list[str]:
    """Say the same to a person, line by line."""
    needed = describe_keyring(keyring)
    return [
        f"Its files are encrypted. Their master key is in {needed['file']}:",
        "whoever has that file can read them. The server needs, before it starts,",
        f"beside its mysqld a file mysqld.my:        {needed['manifest']}",
        f"in its plugin folder a {COMPONENT}.cnf: {needed['configuration']}",
        "If it has a keyring already, add the key in that file to it instead.",
        "Once it runs: ALTER INSTANCE ROTATE INNODB MASTER KEY;",
    ]
