from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pytest_django import Settings

from alerts.delivery import outbound
from alerts.delivery.outbound import get, post
from alerts.exceptions import ChannelBroken, NotDelivered
from tests.alerts.receiver import receiving


def test_a_name_that_points_to_this_machine_is_refused_when_it_connects() -> None:
    with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", "localhost")
        with pytest.raises(ChannelBroken, match="is not a public address"):
            post(url, b"{}", {})
        assert receiver.received == []


@pytest.mark.usefixtures("here")
def test_the_log_repeats_no_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with receiving() as receiver:
        get(f"{receiver.url}/s3cret")
        assert receiver.received[0].path == "/hook/s3cret"
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "https:///x", "https://u:p@example.org/", "file:///etc/passwd"]
)
def test_a_url_that_cannot_be_meant(url: str) -> None:
    with pytest.raises(ChannelBroken):
        get(url)


@pytest.fixture
def here(settings: Settings) -> None:
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]


@pytest.mark.usefixtures("here")
def test_what_the_other_side_says_comes_back() -> None:
    with receiving() as receiver:
        receiver.status, receiver.body = 503, b"x" * 100_000
        receiver.headers = {"Retry-After": "120"}
        answer = post(receiver.url, b"{}", {"X-Key": "v"})
        assert (answer.status, len(answer.text)) == (503, outbound.RESPONSE_BYTES)
        assert answer.retry_after == timedelta(seconds=120)
        assert receiver.received[0].headers["X-Key"] == "v"


@pytest.mark.usefixtures("here")
def test_retry_after_may_be_a_date() -> None:
    with receiving() as receiver:
        later = datetime.now(UTC) + timedelta(minutes=10)
        receiver.headers = {"Retry-After": format_datetime(later, usegmt=True)}
        wait = get(receiver.url).retry_after
        assert wait and timedelta(minutes=9) < wait <= timedelta(minutes=10)


@pytest.mark.usefixtures("here")
def test_a_redirect_is_an_answer_and_not_followed() -> None:
    with receiving() as receiver:
        receiver.status = 302
        receiver.headers = {"Location": "http://169.254.169.254/latest/meta-data/"}
        assert get(receiver.url).status == 302
        assert len(receiver.received) == 1


@pytest.mark.usefixtures("here")
def test_nobody_there_is_worth_another_try() -> None:
    with receiving() as receiver:
        url = receiver.url
    with pytest.raises(NotDelivered, match=r"127\.0\.0\.1"):
        get(url)


@pytest.mark.usefixtures("here")
def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "CONNECT_SECONDS", 0.2)
    with receiving() as receiver:
        receiver.wait_seconds = 1
        with pytest.raises(NotDelivered, match="timed out"):
            get(receiver.url)
