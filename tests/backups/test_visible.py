"""Names that read backwards are written out: in texts, in commands, on pages and in messages."""

from __future__ import annotations

import pytest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.timezone import now
from rich.text import Text

from alerts.delivery.channels.text import build_html, build_text
from alerts.delivery.content import build_content
from alerts.models import Notification
from backups.exceptions import BadInput
from backups.management.output import Answer, MooringCommand, table
from backups.visible import visible
from monitor.middleware import DirectionMiddleware

NAME = "\u202estac\u202c"
SHOWN = r"\u202estac\u202c"


@pytest.mark.parametrize("mark", "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2069")
def test_every_mark_is_written_out(mark: str) -> None:
    assert visible(f"a{mark}b") == f"a\\u{ord(mark):04x}b"


@pytest.mark.parametrize("text", ["cats", "שלום", "…–’", "\u2028", ""])
def test_other_text_stays(text: str) -> None:
    assert visible(text) == text


class Names(MooringCommand):
    def answer(self, options: dict[str, object]) -> Answer:
        return Answer({"name": NAME}, [NAME, table(("name",), [(Text(NAME),)])])


class Fails(MooringCommand):
    def answer(self, options: dict[str, object]) -> Answer:
        raise BadInput(f"no {NAME}", hint=f"Look for {NAME}.")


def test_commands_print_names_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    Names().run_from_argv(["manage", "names"])
    printed = capsys.readouterr().out
    assert NAME not in printed
    assert printed.count(SHOWN) == 2
    with pytest.raises(SystemExit):
        Fails().run_from_argv(["manage", "fails"])
    printed = capsys.readouterr().err
    assert NAME not in printed
    assert printed.count(SHOWN) == 2


def page(html: str) -> str:
    def respond(_: HttpRequest) -> HttpResponse:
        return HttpResponse(html)

    response = DirectionMiddleware(respond)(HttpRequest())
    assert isinstance(response, HttpResponse)
    return response.content.decode()


def test_pages_show_names_written_out() -> None:
    assert page(f"<td>{NAME}</td>") == f"<td><bdi>{SHOWN[:6]}</bdi>stac<bdi>{SHOWN[-6:]}</bdi></td>"
    assert page(f'<a title="{NAME}">x</a>') == f'<a title="{SHOWN}">x</a>'


def test_what_a_form_sends_back_is_not_changed() -> None:
    for html in (f'<input value="{NAME}">', f"<textarea>{NAME}</textarea>"):
        assert page(html) == html
    assert page(f'<option value="{NAME}">') == f'<option value="{NAME}">'


def test_streams_and_files_are_left_alone() -> None:
    def stream(_: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse([NAME.encode()])

    response = DirectionMiddleware(stream)(HttpRequest())
    assert isinstance(response, StreamingHttpResponse)
    assert b"".join(response.streaming_content).decode() == NAME  # type: ignore[arg-type]


def test_messages_have_names_written_out() -> None:
    content = build_content(Notification(kind="test"), [], now=now(), text=f"table {NAME}")
    assert content["title"] == f"table {SHOWN}"
    assert NAME not in build_text(content) + build_html(content)
