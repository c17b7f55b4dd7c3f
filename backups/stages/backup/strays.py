"""Which of two files with one space id is the stray one? Asked of the instance's own server."""

from __future__ import annotations

from backups.exceptions import MooringError, StrayFile
from backups.instances.connection import connect, fetch_rows, login_of
from backups.models import Instance

_USED = "SELECT NAME FROM information_schema.INNODB_SYS_TABLESPACES WHERE SPACE = %s"


def name_stray(error: StrayFile, instance: Instance) -> None:
    """Put into the hint which file to move; leave it as it is where the server cannot tell."""
    if error.space is None:
        return
    try:
        with connect(login_of(instance)) as connection:
            used = {f"{row['NAME']}.ibd" for row in fetch_rows(connection, _USED, (error.space,))}
    except MooringError:
        return
    strays = [file for file in error.files if file not in used]
    if len(strays) == 1:
        (kept,) = set(error.files) - set(strays)
        error.hint = (
            f"The server uses {kept} and not {strays[0]}: move {strays[0]} out of the data "
            "directory (where the whole folder was copied, the folder)."
        )
