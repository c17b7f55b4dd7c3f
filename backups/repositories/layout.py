"""Which object is stored where in a repository?

mooring.json
instances/<instance uuid>/backups/<label>/packs/000001.pack …
instances/<instance uuid>/backups/<label>/manifest.json.zst     written last
"""

from __future__ import annotations

import re
from uuid import UUID

FORMAT_VERSION = 1
# The hint for any other format number.
NEWER_HINT = "Read it with the version of Mooring that wrote it, or a newer one."
IDENTITY_NAME = "mooring.json"
MANIFEST_NAME = "manifest.json.zst"
INSTANCES = "instances/"
# Begun to find out whether a place can be written to, and never committed.
TRIAL_NAME = "writable"

_MANIFEST = re.compile(
    r"instances/(?P<instance>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/backups/(?P<label>[^/]+)/manifest\.json\.zst"
)


def backup_folder(instance: UUID, label: str) -> str:
    """Folder of one backup, relative to the repository, without a slash at its end."""
    return f"instances/{instance}/backups/{label}"


def manifest_name(folder: str) -> str:
    return f"{folder}/{MANIFEST_NAME}"


def folder_of_manifest(name: str) -> str | None:
    """Return the backup folder if ``name`` is a manifest, else None."""
    return name.removesuffix(f"/{MANIFEST_NAME}") if _MANIFEST.fullmatch(name) else None


def owner_of_folder(folder: str) -> tuple[UUID, str]:
    """Return the instance and the label that the path of a backup folder names."""
    _, instance, _, label = folder.split("/")
    return UUID(instance), label


def is_safe_path(path: str) -> bool:
    """Whether a path stays below the folder it is joined to."""
    return (
        bool(path)
        and "\0" not in path
        and all(part not in {"", ".", ".."} for part in path.split("/"))
        # Half a character, as JSON can spell it: no filesystem takes it.
        and not any("\ud800" <= letter <= "\udfff" for letter in path)
    )
