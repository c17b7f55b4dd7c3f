"""Hooks of tests: entries of a file, and commands that run as whoever runs the tests."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass, field
from pathlib import Path

from pytest_django import Settings

from backups.hooks.definition import Hook
from backups.hooks.hooks_file import load_hooks

# root has to be named: without a name a hook runs without rights.
OURSELVES = pwd.getpwuid(os.geteuid()).pw_name
# Where we may become somebody else, somebody else.
ANOTHER = "nobody" if os.geteuid() == 0 else OURSELVES


def hooks_file(folder: Path, text: str) -> Path:
    """Write a file that only its owner can change."""
    file = folder / "hooks.toml"
    file.write_text(text)
    file.chmod(0o600)
    return file


def shell_hook(name: str, when: str, script: str, *more: str) -> str:
    """Return an entry whose command is a script of the shell that every host has."""
    lines = [f"[{name}]", f'when = "{when}"', f'user = "{OURSELVES}"', *more]
    return "\n".join([*lines, f"command = ['/bin/sh', '-c', '''{script}''']", ""])


def one_hook(folder: Path, text: str) -> Hook:
    (hook,) = load_hooks(hooks_file(folder, text))
    return hook


@dataclass
class Watched:
    """Follows a hook that a test runs; ``stop`` is raised at the first look after a line."""

    lines: list[str] = field(default_factory=list)
    stop: BaseException | None = None
    processes: list[tuple[int, float]] = field(default_factory=list)

    def log(self, text: str) -> None:
        self.lines.append(text)

    def started(self, group: int, started: float) -> None:
        self.processes.append((group, started))

    def check(self) -> None:
        if self.stop is not None and self.lines:
            raise self.stop


# Each writes down that it ran, and how its job ended.
NOTE = 'echo "$MOORING_HOOK $MOORING_RESULT" >> {notes}'


class Hooks:
    """The hooks file of a test, and what its hooks have written down."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.notes = folder / "notes"
        self.notes.touch()
        self._folder = folder
        settings.HOOKS_FILE = folder / "hooks.toml"

    def write(self, *entries: str) -> None:
        hooks_file(self._folder, "\n".join(entries))

    def note(self, name: str, when: str, *more: str, then: str = "true") -> str:
        """Return an entry whose hook writes down that it ran."""
        return shell_hook(name, when, f"{NOTE.format(notes=self.notes)}; {then}", *more)

    @property
    def ran(self) -> list[str]:
        return self.notes.read_text().splitlines()
