from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from pytest_django import Settings

from alerts.delivery.channels.webhook.channel import WebhookChannel, build_body, parse_headers
from alerts.exceptions import ChannelBroken, NotDelivered
from backups.exceptions import BadInput
from tests.alerts.receiver import Receiver, receiving

SECRET = "sixteen characters"
CONTENT = {"id": "firing-1", "title": 'He said "no"\n', "alerts": [{"message": "ünfit"}]}


@pytest.fixture(autouse=True)
def here(settings: Settings) -> None:
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]


def send(receiver: Receiver, **values: str) -> str:
    return WebhookChannel().send(CONTENT, {"url": receiver.url, "secret": SECRET, **values})


def test_a_receiver_can_check_the_signature_of_what_it_got() -> None:
    with receiving() as receiver:
        assert send(receiver) == "200 thanks"
        got = receiver.received[0]
    at, signature = got.headers["Mooring-Signature"].split(",")
    signed = at.removeprefix("t=").encode() + b"." + got.body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert signature == f"v1={expected}"
    assert json.loads(got.body) == CONTENT
    assert got.headers["Mooring-Dedupe-Key"] == "firing-1"


def test_headers_and_body_can_be_the_operators_own() -> None:
    with receiving() as receiver:
        body = '{"text": {{ title|json }}, "first": {{ alerts.0.message|json }}}'
        send(receiver, headers="Authorization: Bearer t0ken\n", body=body, content_type="x/y")
        got = receiver.received[0]
    assert json.loads(got.body) == {"text": 'He said "no"\n', "first": "ünfit"}
    assert got.headers["Authorization"] == "Bearer t0ken"
    assert got.headers["Content-Type"] == "x/y"


@pytest.mark.parametrize("status", [401, 403, 410])
def test_some_answers_end_a_channel(status: int) -> None:
    with receiving() as receiver:
        receiver.status = status
        with pytest.raises(ChannelBroken, match=str(status)):
            send(receiver)


@pytest.mark.parametrize("status", [302, 307, 400, 404, 429, 500, 503])
def test_other_answers_are_worth_another_try(status: int) -> None:
    with receiving() as receiver:
        receiver.status, receiver.headers = status, {"Retry-After": "7"}
        with pytest.raises(NotDelivered, match=str(status)):
            send(receiver)


def test_a_secret_header_is_in_no_error() -> None:
    with pytest.raises(BadInput) as caught:
        parse_headers("X-Fine: 1\nBearer t0ken")
    assert str(caught.value) == "line 2 of the headers is not of the form Name: value"


@pytest.mark.parametrize(
    "values",
    [
        {"url": "ftp://example.org"},
        {"secret": "short"},
        {"headers": "Mooring-Signature: mine"},
        {"headers": "Bad Name: x"},
        {"body": "{{ title|nothing }}"},
        {"body": "{% load static %}"},
    ],
)
def test_what_cannot_be_meant_is_refused_before_it_is_kept(values: dict[str, str]) -> None:
    good = {"url": "https://example.org/", "secret": SECRET}
    WebhookChannel().check(good)
    with pytest.raises(BadInput):
        WebhookChannel().check({**good, **values})


def test_a_template_reaches_no_file() -> None:
    with pytest.raises(BadInput, match="the template of the body fails"):
        build_body(CONTENT, '{% include "../../etc/passwd" %}')
