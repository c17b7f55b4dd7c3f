"""Programs that a DBA puts behind a pipe, from Debian's packages: age, mbuffer, and a Bacula."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from tests.live.server import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
CONSOLE_SECONDS = 120
START_SECONDS = 30


class ProgramsMissing(RuntimeError):
    """There are none to start."""


def programs_folder() -> Path:
    """Return the folder of the unpacked programs."""
    named = os.environ.get("MOORING_TEST_MEDIA_PROGRAMS")
    folder = Path(named or ROOT / "var" / "media-programs")
    if not (folder / "usr/lib/bacula/bpipe-fd.so").exists():
        raise ProgramsMissing(f"no programs in {folder}: run scripts/media_programs.sh {folder}")
    return folder


def program(name: str) -> list[str]:
    """Return the beginning of a command that runs a program with the libraries beside it."""
    root = programs_folder()
    loader = next((root / "usr/lib").rglob("ld-linux*.so.*"))
    libraries = f"{loader.parent}:{root / 'usr/lib/bacula'}"
    (path,) = (
        path for folder in ("bin", "sbin") if (path := root / "usr" / folder / name).exists()
    )
    return [str(loader), "--argv0", str(path), "--library-path", libraries, str(path)]


@dataclass(frozen=True, slots=True)
class Bacula:
    """Director, storage and client on loopback: one file device, one job with the plugin bpipe."""

    home: Path

    def back_up(self) -> str:
        """Run the job, wait for its end, and return what the console showed."""
        return self._console("run job=export yes", "wait", "messages")

    def restore(self, job: int) -> str:
        """Restore all of a job to where it was, wait, and return what the console showed."""
        words = f"restore jobid={job} client=f where=/ all done yes"
        return self._console(words, "wait", "messages")

    @property
    def console(self) -> list[str]:
        """The command that starts its console."""
        return [*program("bconsole"), "-c", str(self.home / "bconsole.conf")]

    def _console(self, *lines: str) -> str:
        done = subprocess.run(
            self.console,
            input="\n".join([*lines, "quit", ""]),
            capture_output=True, text=True, timeout=CONSOLE_SECONDS, check=True,
        )  # fmt: skip
        return done.stdout


@contextmanager
def private_bacula(home: Path, read: str, write: str) -> Iterator[Bacula]:
    """Run one whose job stores what ``read`` writes, and restores it by ``write``."""
    for name in ("work", "device"):
        (home / name).mkdir(parents=True)
    _create_catalog(home)
    _write_settings(home, f"bpipe:/mooring/orders.tar:{read}:{write}")
    running = []
    try:
        for name in ("bacula-sd", "bacula-fd", "bacula-dir"):
            with (home / f"{name}.out").open("wb") as log:
                argv = ["setpriv", "--pdeathsig", "KILL", "--", *program(name)]
                argv += ["-f", "-c", str(home / f"{name}.conf")]
                running.append(subprocess.Popen(argv, stdout=log, stderr=log))
        _wait_for_files(home, running)
        yield Bacula(home)
    finally:
        for process in running:
            process.kill()
            process.wait(10)


def _create_catalog(home: Path) -> None:
    """Run the statements of Debian's own script, which is for a shell."""
    script = programs_folder() / "usr/share/bacula-director/make_sqlite3_tables"
    statements = script.read_text(encoding="utf-8").partition("<<END-OF-DATA")[2]
    with closing(sqlite3.connect(home / "work" / "bacula.db")) as catalog:
        catalog.executescript(statements.partition("\nEND-OF-DATA")[0])


def _wait_for_files(home: Path, running: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait until each has written the file with its pid, which it does once it listens."""
    deadline = time.monotonic() + START_SECONDS
    while len(list((home / "work").glob("*.pid"))) < len(running):
        ended = [process for process in running if process.poll() is not None]
        logs = [path.read_text(errors="replace") for path in home.glob("*.out")]
        assert not ended and time.monotonic() < deadline, logs
        time.sleep(0.05)


def _write_settings(home: Path, plugin: str) -> None:
    root = programs_folder()
    director, client, storage = free_port(), free_port(), free_port()
    word = token_hex(16)
    folders = f'WorkingDirectory = "{home}/work"; PidDirectory = "{home}/work"'
    own = f'Director {{ Name = d; Password = "{word}" }}\n'
    texts = {
        "bacula-dir": f"""
Director {{ Name = d; DIRport = {director}; DirAddress = 127.0.0.1; {folders}
  QueryFile = "/dev/null"; Password = "{word}"; Messages = m }}
Messages {{ Name = m; console = all, !skipped }}
Catalog {{ Name = c; dbname = bacula; dbuser = ""; dbpassword = "" }}
Client {{ Name = f; Address = 127.0.0.1; FDPort = {client}; Catalog = c; Password = "{word}" }}
Storage {{ Name = s; Address = 127.0.0.1; SDPort = {storage}; Password = "{word}"
  Device = files; Media Type = File }}
Pool {{ Name = p; Pool Type = Backup; Label Format = "volume-" }}
FileSet {{ Name = fs; Include {{ Options {{ signature = SHA1 }}; Plugin = "{plugin}" }} }}
JobDefs {{ Name = all; Client = f; FileSet = fs; Storage = s; Pool = p; Messages = m }}
Job {{ Name = export; JobDefs = all; Type = Backup; Level = Full }}
Job {{ Name = restore; JobDefs = all; Type = Restore; Where = "/" }}
""",
        "bacula-sd": f"""
Storage {{ Name = s; SDPort = {storage}; SDAddress = 127.0.0.1; {folders} }}
{own}Device {{ Name = files; Media Type = File; Archive Device = "{home}/device"; LabelMedia = yes
  Random Access = yes; AutomaticMount = yes; RemovableMedia = no; AlwaysOpen = no }}
Messages {{ Name = m; director = d = all }}
""",
        "bacula-fd": f"""
FileDaemon {{ Name = f; FDport = {client}; FDAddress = 127.0.0.1; {folders}
  Plugin Directory = "{root}/usr/lib/bacula" }}
{own}Messages {{ Name = m; director = d = all, !skipped, !restored }}
""",
        "bconsole": f"""
Director {{ Name = d; DIRport = {director}; address = 127.0.0.1; Password = "{word}" }}
""",
    }
    for name, text in texts.items():
        (home / f"{name}.conf").write_text(text, encoding="utf-8")
