"""May a test run this program: is it on every machine on which ./mooring has set things up?"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "scripts" / "system_packages.sh"
# From Debian's packages that are always there: coreutils, util-linux, bash, dash, findutils, tar,
# mount.
ALWAYS = {
    *(
        "bash",
        "cat",
        "chrt",
        "cp",
        "dd",
        "diff",
        "env",
        "false",
        "find",
        "head",
        "ionice",
        "ls",
        "mount",
    ),
    *("nice", "od", "printf", "rm", "sh", "sha256sum", "sleep", "sync", "tar", "tee", "test", "tr"),
    *("true", "umount", "uname"),
}
# What they put in front of a program.
WRAPPERS = ("setpriv", "nice")


class ProgramUnknown(RuntimeError):
    """A test ran what no list of packages brings. Not an OSError: nobody may take it for one."""


@cache
def listed() -> frozenset[str]:
    """The programs for which ./mooring installs a package."""
    lines = re.findall(r'^  "(\S+) \S+"$', PACKAGES.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(lines)


def unlisted(argv: Sequence[str], path: str | None = None) -> list[str]:
    """Return the programs of a command that are here and that no list brings."""
    names = [argv[0]]
    if Path(argv[0]).name in WRAPPERS and "--" in argv:
        names.append(argv[argv.index("--") + 1])
    return [name for name in names if not _is_brought(name, path)]


def _is_brought(name: str, path: str | None) -> bool:
    # The Python of the system lies where all other programs lie.
    known = {name, Path(name).name} & (listed() | ALWAYS)
    if known or Path(name).name.startswith("python"):
        return True
    found = shutil.which(name, path=path)
    if found is None or not found.startswith("/"):
        return True  # to be found missing, or a file beside what runs it
    ours = [
        sys.prefix,
        tempfile.gettempdir(),
        str(ROOT),
        "/usr/lib/postgresql",
        *(value for key, value in os.environ.items() if key.startswith("MOORING_TEST_")),
    ]
    return any(Path(found).is_relative_to(folder) for folder in ours)


def refuse_unlisted(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: see ``sys.addaudithook``."""
    if event != "subprocess.Popen":
        return
    _, argv, _, environment = arguments
    assert isinstance(argv, list | tuple)
    path = environment.get("PATH") if isinstance(environment, dict) else None
    if missing := unlisted([os.fsdecode(word) for word in argv], path):
        raise ProgramUnknown(f"{missing[0]} is in no list of {PACKAGES.relative_to(ROOT)}")
