"""How do all commands report? With one answer, for people or as JSON, and one exit code.

A command subclasses ``MooringCommand`` and returns an ``Answer``. On the command line an
error becomes a message and an exit code:

    0  done
    1  failed: any other MooringError, or an answer with that code
    2  bad input: BadInput, CommandError, and what argparse refuses
    3  refused by preflight: Refused, or an answer with that code
    4  done, with problems: a backup is not in every repository it was to go to, or a hook failed
    130  interrupted

Only ``execute`` ends the process. Through ``call_command`` a MooringError is raised unchanged, and
an answer with an exit code other than 0 raises SystemExit after it was printed. Tests that need
code and text use ``tests.commands.run_command``.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from backups.activity import acting_as, command_actor
from backups.exceptions import BadInput, MooringError, Refused
from backups.visible import visible

DONE, FAILED, BAD_INPUT, REFUSED, WITH_PROBLEMS, INTERRUPTED = 0, 1, 2, 3, 4, 130
# Without a terminal lines are not wrapped, so that they can be searched.
_WIDTH_OF_A_PIPE = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found or did: ``fields`` as JSON, or ``shown`` for people."""

    fields: Mapping[str, object]
    shown: Sequence[RenderableType] = field(default=())
    exit_code: int = DONE


class MooringCommand(BaseCommand):
    """Base of every command. A subclass writes ``add_options`` and ``answer``."""

    requires_system_checks: list[str] = []
    suppressed_base_arguments: set[str] = {
        "--version",
        "--verbosity",
        "--settings",
        "--pythonpath",
        "--skip-checks",
        "--force-color",
    }
    # Whether the process runs only this command, which may then end it.
    is_program = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        self.add_options(parser)

    def add_options(self, parser: CommandParser) -> None:
        """Add the command's own arguments besides ``--json``."""

    @abstractmethod
    def answer(self, options: dict[str, Any]) -> Answer:
        """Do the work. ``options`` is Any because argparse decides what is in it."""

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        # Or --password would mean --password-file, and a secret be taken for a file name.
        return super().create_parser(prog_name, subcommand, allow_abbrev=False, **options)

    def run_from_argv(self, argv: list[str]) -> None:
        self.is_program = True
        super().run_from_argv(argv)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run; on the command line turn an error into a message and an exit code."""
        try:
            return super().execute(*args, **options)
        except (MooringError, CommandError, OperationalError, KeyboardInterrupt) as error:
            if not self.is_program or options.get("traceback"):
                raise
            self._show_error(error, as_json=options["json"])
            raise SystemExit(exit_code_of(error)) from None

    def handle(self, *args: Any, **options: Any) -> None:
        # Rich decides where lines end; Django's wrapper would add some more.
        self.stdout.ending = ""
        self.stderr.ending = ""
        with acting_as(command_actor):
            answer = self.answer(options)
        if options["json"]:
            self.stdout.write(as_json(answer.fields) + "\n")
        else:
            console = self.console(options)
            for part in answer.shown:
                _print(console, part)
        if answer.exit_code:
            raise SystemExit(answer.exit_code)

    def console(self, options: Mapping[str, Any]) -> Console:
        """Return the console for people; silent with ``--json``, which prints one object only."""
        return _console(self.stdout, quiet=options["json"], no_color=options["no_color"])

    def progress_console(self, options: Mapping[str, Any]) -> Console:
        """Return the console for progress, on standard error: a pipe gets the answer only."""
        return _console(self.stderr, quiet=options["json"], no_color=options["no_color"])

    def _show_error(self, error: BaseException, *, as_json: bool) -> None:
        message, hint = str(error) or "interrupted", getattr(error, "hint", "")
        if isinstance(error, OperationalError):
            message = f"Mooring's database cannot be used: {message.strip()}"
            hint = "Check DATABASE_URL, and run ./mooring manage migrate."
        if as_json:
            self.stdout.write(error_as_json(message, hint, exit_code_of(error)), ending="\n")
            return
        self.stderr.write(f"error: {visible(message)}", self.style.ERROR, ending="\n")
        if hint:
            self.stderr.write(f"HINT: {visible(hint)}", self.style.NOTICE, ending="\n")


def exit_code_of(error: BaseException) -> int:
    """Return the exit code of an error."""
    if isinstance(error, Refused):
        return REFUSED
    if isinstance(error, BadInput | CommandError):
        return BAD_INPUT
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return FAILED


def as_json(fields: Mapping[str, object]) -> str:
    """Write one object: times in ISO 8601, durations in seconds."""
    return json.dumps(fields, indent=2, default=_plain)


def error_as_json(message: str, hint: str, exit_code: int) -> str:
    return json.dumps({"error": message, "hint": hint, "exit_code": exit_code}, indent=2)


def table(
    columns: Iterable[str], rows: Iterable[Sequence[str | Text]], *, right: str = ""
) -> Table:
    """Return an aligned table; figures are in the columns of ``right``, a list with commas."""
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    figures = set(right.split(",")) - {""}
    for column in columns:
        # Text from servers is never markup: a heading may be the name of a column.
        side: Literal["left", "right"] = "right" if column in figures else "left"
        drawn.add_column(Text(column), justify=side, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return drawn


def _print(console: Console, part: RenderableType) -> None:
    if isinstance(part, str):
        # Never wrapped: statements and paths are to be copied.
        console.print(visible(part), soft_wrap=True, markup=False, highlight=False)
        return
    with console.capture() as drawn:
        console.print(part)
    text = visible(drawn.get())
    if console.is_terminal:
        if not console.quiet:
            console.file.write(text)
        return
    for line in text.splitlines():
        console.print(line.rstrip(), soft_wrap=True, markup=False, highlight=False)


def _console(stream: Any, *, quiet: bool, no_color: bool) -> Console:
    # Any: Django's OutputWrapper delegates all attributes to the stream it wraps.
    width = None if stream.isatty() else _WIDTH_OF_A_PIPE
    return Console(file=stream, width=width, quiet=quiet, no_color=no_color)


_WRITTEN_AS: dict[type, Callable[[Any], object]] = {
    datetime: datetime.isoformat,
    timedelta: timedelta.total_seconds,
}


def _plain(content: object) -> object:
    return _WRITTEN_AS.get(type(content), str)(content)
