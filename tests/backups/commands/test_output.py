"""What every command shares: exit codes, errors in words and as JSON, one object on stdout."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError

from backups.exceptions import BadInput, EngineError, MooringError, Refused
from backups.management.output import Answer, MooringCommand, as_json, exit_code_of, table


class ScriptedCommand(MooringCommand):
    """Ends as the test has decided."""

    def __init__(self, outcome: Answer | BaseException) -> None:
        super().__init__()
        self.outcome = outcome
        self.is_program = True

    def answer(self, options: dict[str, Any]) -> Answer:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def ended(outcome: Answer | BaseException, *words: str) -> tuple[int, str, str]:
    out, err, exit_code = io.StringIO(), io.StringIO(), 0
    try:
        call_command(ScriptedCommand(outcome), *words, stdout=out, stderr=err, no_color=True)
    except SystemExit as exc:
        exit_code = int(exc.code or 0)
    return exit_code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (EngineError("the tool ended with 1"), 1),
        (MooringError("something"), 1),
        (BadInput("no such thing"), 2),
        (CommandError("no such option"), 2),
        (Refused("too little room"), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes(error: BaseException, exit_code: int) -> None:
    assert exit_code_of(error) == exit_code
    assert ended(error)[0] == exit_code
    code, out, err = ended(error, "--json")
    assert (code, err) == (exit_code, "")
    assert json.loads(out)["exit_code"] == exit_code


def test_an_error_is_a_sentence_and_a_hint_on_standard_error() -> None:
    code, out, err = ended(Refused("room in main: 2.0 GiB too few", hint="Purge backups."))
    assert (code, out) == (3, "")
    assert err == "error: room in main: 2.0 GiB too few\nHINT: Purge backups.\n"


def test_an_error_as_json() -> None:
    _, out, _ = ended(BadInput("no such instance", hint="Add it."), "--json")
    assert json.loads(out) == {"error": "no such instance", "hint": "Add it.", "exit_code": 2}


def test_with_json_one_object_and_nothing_else() -> None:
    code, out, err = ended(Answer({"jobs": 1}, ["one job"]), "--json")
    assert (code, json.loads(out), err) == (0, {"jobs": 1}, "")


def test_an_answer_can_say_no() -> None:
    assert ended(Answer({}, ["damaged"], exit_code=1)) == (1, "damaged\n", "")


def test_a_caller_in_the_same_process_gets_the_error_itself() -> None:
    command = ScriptedCommand(Refused("no"))
    command.is_program = False
    with pytest.raises(Refused, match="no"):
        call_command(command)


def test_a_database_that_is_not_ready_is_an_error_in_words() -> None:
    code, _, err = ended(OperationalError("no such table: backups_instance"))
    assert code == 1
    assert err == (
        "error: Mooring's database cannot be used: no such table: backups_instance\n"
        "HINT: Check DATABASE_URL, and run ./mooring manage migrate.\n"
    )


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        ended(ZeroDivisionError())


def test_tables_are_aligned_and_end_where_the_words_end() -> None:
    rows = [("shop.orders [a]", "1.0 GiB"), ("x", "12 B")]
    _, out, _ = ended(Answer({}, [table(("table", "size"), rows, right="size")]))
    assert out.splitlines() == [
        "table               size",
        "shop.orders [a]  1.0 GiB",
        "x                   12 B",
    ]


def test_moments_and_lengths_of_time_as_json() -> None:
    at = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    assert json.loads(as_json({"at": at, "took": timedelta(seconds=90.5)})) == {
        "at": "2026-03-02T01:00:00+00:00",
        "took": 90.5,
    }


def test_figures_are_at_the_right_of_their_column() -> None:
    drawn = table(("what", "raw", "took"), [("a", "1", "2")], right="raw,took")
    assert [column.justify for column in drawn.columns] == ["left", "right", "right"]


def test_a_column_without_a_name_is_none_of_figures() -> None:
    drawn = table(("", ""), [("label", "orders-1")])
    assert [column.justify for column in drawn.columns] == ["left", "left"]


def test_a_heading_is_no_markup() -> None:
    _, out, _ = ended(Answer({}, [table(("[/x]", "[link=file:///etc]a[/link]"), [("1", "2")])]))
    assert out.splitlines()[0] == "[/x]  [link=file:///etc]a[/link]"
