"""A piece of a medium as a job of Bacula: what an administrator would put between the two.

    bacula_piece.py store|fetch|exists|remove PIECE FOLDER CONSOLE…

``FOLDER`` has the pipes ``in`` and ``out``, which Bacula's plugin bpipe reads and writes, and
``jobs``, where the number of each piece's job is. ``CONSOLE`` starts bconsole.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def job(console: Sequence[str], words: str, good: str) -> Iterator[list[str]]:
    """Have Bacula do something while bytes are passed; afterwards what it said is in the list."""
    said: list[str] = []
    with subprocess.Popen(
        console, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as talk:
        assert talk.stdin is not None
        talk.stdin.write(f"{words}\nwait\nmessages\nquit\n")
        talk.stdin.flush()
        yield said
        said.append(talk.communicate()[0])
    if good not in said[0]:
        raise SystemExit(said[0])


def main(what: str, piece: str, folder: Path, console: Sequence[str]) -> int:
    note = folder / "jobs" / piece
    if what == "exists":
        return 0 if note.exists() else 1
    if what == "store":
        begun = job(console, "run job=export yes", "Backup OK")
        with begun as said, (folder / "in").open("wb") as pipe:
            shutil.copyfileobj(sys.stdin.buffer, pipe)
        number = re.search(r"JobId=(\d+)", said[0])
        assert number is not None
        note.write_text(number[1])
        return 0
    number_of_job = note.read_text()
    if what == "fetch":
        words = f"restore jobid={number_of_job} client=f where=/ all done yes"
        with job(console, words, "Restore OK"), (folder / "out").open("rb") as pipe:
            shutil.copyfileobj(pipe, sys.stdout.buffer)
        return 0
    with job(console, f"delete jobid={number_of_job} yes", "deleted"):
        note.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4:]))
