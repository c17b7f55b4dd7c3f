from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.delivery.channels.base import DONE
from alerts.delivery.channels.email.channel import EmailChannel
from alerts.exceptions import ChannelBroken, NotDelivered, PartlyDelivered
from backups.exceptions import BadInput
from tests.alerts.mailbox import PASSWORD, USER, Mailbox, mailbox

CONTENT = {
    "id": "firing-1",
    "title": "Critical: orders-1: the backup failed",
    "text": "",
    "url": "https://mooring.example/alerts/",
    "alerts": [
        {
            "id": 7,
            "severity": "critical",
            "subject_name": "orders-1 <b>",
            "message": "the backup failed",
            "hint": "Read the job's log.",
            "status": "firing",
            "fired_at": "2026-03-02T01:00:00+00:00",
            "url": "https://mooring.example/alerts/7/",
            "job_url": "https://mooring.example/jobs/812/",
        }
    ],
}


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with mailbox(tmp_path) as box:
        # Where OpenSSL looks for whom to trust.
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        yield box


def values(box: Mailbox, **changed: str) -> dict[str, str]:
    return {
        "recipients": "dba@example.org\nowner@example.org",
        "sender": "mooring@example.org",
        "host": "127.0.0.1",
        "port": str(box.port),
        "security": "starttls",
        "user": USER,
        "password": PASSWORD,
        **changed,
    }


def test_it_arrives_as_text_and_html_in_the_thread_of_its_alert(box: Mailbox) -> None:
    answer = EmailChannel().send(CONTENT, values(box))
    assert answer == f"127.0.0.1:{box.port} accepted it for 2 recipients"
    message = box.messages[0]
    assert message["Subject"] == "[Mooring] Critical: orders-1: the backup failed"
    assert message["References"] == "<alert-7@example.org>"
    assert message["Mooring-Dedupe-Key"] == "firing-1"
    text = message.get_body(("plain",))
    html = message.get_body(("html",))
    assert text and "What to do: Read the job's log." in text.get_content()
    assert text and "https://mooring.example/jobs/812/" in text.get_content()
    assert html and "orders-1 &lt;b&gt;" in html.get_content()


def test_an_error_of_several_lines_still_leaves(box: Mailbox) -> None:
    title = "Emergency: orders-1: failed:\n  [ERROR] no space\r\nleft"
    EmailChannel().send({**CONTENT, "title": title}, values(box))
    subject = "[Mooring] Emergency: orders-1: failed: [ERROR] no space left"
    assert box.messages[0]["Subject"] == subject


def test_every_try_carries_the_same_message_id(box: Mailbox) -> None:
    for _ in range(2):
        EmailChannel().send(CONTENT, values(box))
    first, second = box.messages
    assert first["Message-ID"] == second["Message-ID"]


def test_a_wrong_password_ends_the_channel_and_is_not_repeated(box: Mailbox) -> None:
    with pytest.raises(ChannelBroken, match="does not accept user or password") as caught:
        EmailChannel().send(CONTENT, values(box, password="s3cret-wrong"))
    assert "s3cret-wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        ("454 4.7.0 temporary authentication failure", NotDelivered),
        ("500 5.5.2 not understood", ChannelBroken),
        ("599 never", ChannelBroken),
    ],
)
def test_only_a_refusal_for_good_ends_the_channel(
    box: Mailbox, answer: str, raised: type[Exception]
) -> None:
    box.refuse_logins = answer
    with pytest.raises(raised, match=answer):
        EmailChannel().send(CONTENT, values(box))


def test_one_refused_recipient_is_named_and_the_others_get_it(box: Mailbox) -> None:
    box.refuse["owner@example.org"] = "550 no such user"
    with pytest.raises(
        PartlyDelivered, match=r"refused owner@example\.org \(550 no such user\)"
    ) as caught:
        EmailChannel().send(CONTENT, values(box))
    assert (caught.value.left, box.recipients) == (False, ["dba@example.org"])
    assert caught.value.refused == {"owner@example.org": "550 no such user"}


def test_all_refused_is_not_delivered(box: Mailbox) -> None:
    for name in ("dba", "owner"):
        box.refuse[f"{name}@example.org"] = "451 come back later"
    with pytest.raises(NotDelivered, match="451 come back later"):
        EmailChannel().send(CONTENT, values(box))


def test_a_certificate_nobody_trusts_gets_no_password(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(NotDelivered, match=r"(?i)certificate"):
        EmailChannel().send(CONTENT, values(box))
    assert box.messages == []


def test_nobody_there(box: Mailbox) -> None:
    with pytest.raises(NotDelivered, match="refused"):
        EmailChannel().send(CONTENT, values(box, port="1"))


def test_who_answers_for_a_while_only_is_tried_again_and_alone(box: Mailbox) -> None:
    box.refuse["owner@example.org"] = "451 greylisted"
    with pytest.raises(PartlyDelivered, match="451 greylisted") as caught:
        EmailChannel().send(CONTENT, values(box))
    assert caught.value.done == ("dba@example.org",)
    box.refuse.clear()
    again = EmailChannel().send(CONTENT, values(box, **{DONE: "dba@example.org"}))
    assert "for 1 recipients" in again
    assert box.recipients == ["dba@example.org", "owner@example.org"]


def test_all_refused_for_good_is_not_tried_again(box: Mailbox) -> None:
    for name in ("dba", "owner"):
        box.refuse[f"{name}@example.org"] = "550 no such user"
    with pytest.raises(PartlyDelivered, match="550 no such user") as caught:
        EmailChannel().send(CONTENT, values(box))
    assert not caught.value.left


def test_with_nobody_left_nothing_is_sent(box: Mailbox) -> None:
    done = "dba@example.org\nowner@example.org"
    assert "earlier attempt" in EmailChannel().send(CONTENT, values(box, **{DONE: done}))
    assert box.messages == []


def test_a_name_and_a_domain_beyond_ascii_arrive(box: Mailbox) -> None:
    recipients = "J\u00fcrgen <dba@b\u00fccher.example>"
    EmailChannel().send(CONTENT, values(box, recipients=recipients))
    assert box.recipients == ["dba@xn--bcher-kva.example"]
    assert box.messages[0]["To"] == "J\u00fcrgen <dba@xn--bcher-kva.example>"


def test_a_mailbox_beyond_ascii_is_refused_in_the_form() -> None:
    given = {"sender": "m@example.org", "recipients": "j\u00fcrgen@example.org", "port": "25"}
    with pytest.raises(BadInput, match="letters beyond ASCII"):
        EmailChannel().check({**given, "security": "none"})


@pytest.mark.parametrize(
    "changed",
    [
        {"recipients": "not an address"},
        {"sender": "x"},
        {"port": "0"},
        {"port": "70000"},
        {"security": "maybe"},
        {"security": "none"},
    ],
)
def test_what_cannot_be_meant_is_refused(box: Mailbox, changed: dict[str, str]) -> None:
    EmailChannel().check(values(box))
    with pytest.raises(BadInput):
        EmailChannel().check(values(box, **changed))
