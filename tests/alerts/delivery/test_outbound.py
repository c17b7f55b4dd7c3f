from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pytest_django import Settings

from alerts.delivery import outbound
from alerts.delivery.outbound import get, is_allowed, post, public_addresses_only
from alerts.exceptions import ChannelBroken, NotDelivered
from tests.alerts.receiver import receiving


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),  # noqa: S104
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:a9fe:a9fe::1", False),
    ],
)
def test_only_public_addresses_may_be_reached(address: str, allowed: bool) -> None:
    assert is_allowed(address) is allowed


def test_a_network_can_be_allowed(settings: Settings) -> None:
    settings.OUTBOUND_NETWORKS = ["10.1.0.0/16", "fd00::/8"]
    assert is_allowed("10.1.2.3")
    assert is_allowed("fd00::1")
    assert is_allowed("::ffff:10.1.2.3")
    assert not is_allowed("10.2.2.3")


def test_a_name_that_points_to_this_machine_is_refused_when_it_connects() -> None:
    with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", "localhost")
        with pytest.raises(ChannelBroken, match="is not a public address"):
            post(url, b"{}", {})
        assert receiver.received == []


def test_any_library_is_watched_and_only_inside() -> None:
    with receiving() as receiver:
        port = int(receiver.url.split(":")[2].split("/")[0])
        socket.create_connection(("127.0.0.1", port)).close()
        with public_addresses_only(), pytest.raises(OSError, match="not a public address"):
            socket.create_connection(("127.0.0.1", port))


def test_a_unix_socket_is_not_the_internet() -> None:
    refused = pytest.raises(outbound.AddressRefused)
    with socket.socket(socket.AF_UNIX) as unix, public_addresses_only(), refused:
        unix.connect("/run/nobody")


@pytest.fixture
def inner() -> Iterator[socket.socket]:
    """A UDP socket of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.setblocking(False)
        yield listening


def test_no_datagram_reaches_an_inner_address(inner: socket.socket) -> None:
    address = inner.getsockname()
    refused = pytest.raises(outbound.AddressRefused, match="not a public address")
    named = pytest.raises(outbound.AddressRefused, match="was not resolved before the connection")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as leaving:
        with public_addresses_only():
            with refused:
                leaving.sendto(b"x", address)
            with refused:
                leaving.sendto(b"x", 0, address)
            with refused:
                leaving.sendmsg([b"x"], [], 0, address)
            with named:
                leaving.sendto(b"x", ("localhost", address[1]))
        with pytest.raises(BlockingIOError):
            inner.recv(1)
        # The same ways do lead there.
        leaving.sendto(b"outside", address)
        assert inner.recv(10) == b"outside"


@pytest.mark.usefixtures("here")
def test_a_datagram_may_go_where_a_network_is_allowed(inner: socket.socket) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as leaving,
        public_addresses_only(),
    ):
        leaving.sendto(b"1", inner.getsockname())
        leaving.connect(inner.getsockname())
        leaving.sendmsg([b"2"])
        assert (inner.recv(10), inner.recv(10)) == (b"1", b"2")


def test_names_are_still_looked_up() -> None:
    with public_addresses_only():
        assert socket.getaddrinfo("localhost", 80)


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
