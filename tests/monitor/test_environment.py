"""What operators write into the environment is understood, or stops the process."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from monitor.environment import choice, number, numbers, site_url

NAME = "MOORING_A_TEST"


@pytest.mark.parametrize(("text", "expected"), [("", 7), (" ", 7), ("0", 0), ("12", 12)])
def test_a_number(monkeypatch: pytest.MonkeyPatch, text: str, expected: int) -> None:
    monkeypatch.setenv(NAME, text)
    assert number(NAME, 7) == expected


@pytest.mark.parametrize("text", ["-1", "many", "1.5", "1e3"])
def test_what_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(NAME, text)
    with pytest.raises(ImproperlyConfigured, match="set a whole number, 0 or more"):
        number(NAME, 7)


def test_the_least_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "1")
    assert number(NAME, 7, least=1) == 1
    monkeypatch.setenv(NAME, "0")
    with pytest.raises(ImproperlyConfigured, match="1 or more"):
        number(NAME, 7, least=1)


def test_numbers_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert numbers(NAME) == {}
    monkeypatch.setenv(NAME, "check target=5, copy = 60")
    assert numbers(NAME) == {"check target": 5, "copy": 60}


@pytest.mark.parametrize("text", ["copy", "copy=", "=5", "copy=x", "copy=0"])
def test_a_table_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(NAME, f"extract=3,{text}")
    with pytest.raises(ImproperlyConfigured, match="set NAME=NUMBER"):
        numbers(NAME, least=1)


def test_a_word_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choice(NAME, "fail", "requeue") == "fail"
    monkeypatch.setenv(NAME, "Requeue")
    assert choice(NAME, "fail", "requeue") == "requeue"
    monkeypatch.setenv(NAME, "retry")
    with pytest.raises(ImproperlyConfigured, match="set fail or requeue"):
        choice(NAME, "fail", "requeue")


@pytest.mark.parametrize(
    ("environment", "hosts", "tls", "url"),
    [
        ({}, ["localhost"], False, "http://localhost:8000"),
        ({"MOORING_PORT": "8100"}, ["localhost"], False, "http://localhost:8100"),
        ({"MOORING_BIND": "10.0.0.5:83"}, ["localhost"], False, "http://10.0.0.5:83"),
        ({"MOORING_BIND": "0.0.0.0:83"}, ["localhost", "m.example"], False, "http://m.example:83"),
        ({}, ["localhost", "*", ".example", "m.example"], True, "https://m.example"),
        ({"MOORING_URL": "https://m.example/x/"}, ["localhost"], False, "https://m.example/x"),
    ],
)
def test_links_lead_to_where_the_site_listens(
    environment: dict[str, str], hosts: list[str], tls: bool, url: str
) -> None:
    assert site_url(environment, hosts, tls=tls) == url
