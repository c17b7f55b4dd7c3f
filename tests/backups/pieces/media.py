"""A medium of plain commands in the file of media of this host, and a repository on it."""

from __future__ import annotations

import json
from pathlib import Path

from pytest_django import Settings

from backups.models import Repository
from tests.commands import Ended, run_command

PLAIN = {
    "store": ["tee", "{piece}"],
    "fetch": ["cat", "{piece}"],
    "exists": ["test", "-e", "{piece}"],
    "list": ["ls"],
    "remove": ["rm", "{piece}"],
    "stall_seconds": 20,
}


def describe(settings: Settings, folder: Path, **changes: object) -> Path:
    """Write the file of media with one medium, ``lto``, whose pieces are in the folder below."""
    tape = folder / "tape"
    tape.mkdir(exist_ok=True)
    entry = {**PLAIN, "folder": str(tape), **changes}
    lines = (f"{name} = {json.dumps(value)}" for name, value in entry.items() if value is not None)
    settings.MEDIA_FILE = folder / "media.toml"
    settings.MEDIA_FILE.write_text("[lto]\n" + "\n".join(lines) + "\n")
    settings.MEDIA_FILE.chmod(0o600)
    return tape


def add(name: str = "tapes", *words: str) -> Ended:
    return run_command("addrepository", name, "--path", "media:lto/site1", *words)


def added(name: str = "tapes") -> Repository:
    ended = add(name)
    assert (ended.exit_code, ended.stderr) == (0, "")
    return Repository.objects.get(name=name)


def pieces(tape: Path) -> list[str]:
    return sorted(path.name for path in tape.iterdir())
