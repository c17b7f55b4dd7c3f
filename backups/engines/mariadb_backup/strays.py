"""Which files in the data directory stopped the tool, and what is to be done with them?

Somebody copied a tablespace file or a schema's folder inside the data directory. The server opens
what its dictionary lists and never looks at the rest; the tool opens every file it finds, and ends
at the second one with the same space id. It ends each time: another attempt does not help.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from backups.exceptions import StrayFile

_SAME_SPACE = re.compile(
    r"Previous tablespace: (?P<first>.+?) uses space ID: (?P<space>\d+)\. "
    r"Cannot open filepath: (?P<second>.+?) which uses the same space ID"
)
_WHICH = (
    "Find out which of them the server uses (SELECT NAME FROM "
    "information_schema.INNODB_SYS_TABLESPACES WHERE SPACE = {space}), and move the other one out "
    "of the data directory."
)
_NO_TABLESPACE = re.compile(r"Failed to validate first page of the file (?P<name>.+), error \d+")


def find_stray(errors: Sequence[str], prefix: str) -> StrayFile | None:
    """Return the error that names the files; None where the tool failed for another reason."""
    output = "\n".join(errors)
    if same := _SAME_SPACE.search(output):
        files = tuple(sorted((_path(same["first"]), _path(same["second"]))))
        return StrayFile(
            f"{prefix}: {files[0]} and {files[1]} in the data directory have the same space id "
            f"{same['space']}: one is a copy of the other",
            hint=_WHICH.format(space=same["space"]),
            files=files,
            space=int(same["space"]),
        )
    if invalid := _NO_TABLESPACE.search(output):
        file = f"{invalid['name']}.ibd"
        return StrayFile(
            f"{prefix}: {file} in the data directory is not a valid tablespace",
            hint=f"If the server has no such table, move {file} out of the data directory; "
            "if it has, run CHECK TABLE on it there.",
            files=(file,),
        )
    return None


def _path(name: str) -> str:
    return name.removeprefix("./")
