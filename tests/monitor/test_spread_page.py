"""The page of 3-2-1-1-0, and the same on an instance's page."""

from __future__ import annotations

import pytest
from django.test import Client

from backups.models import Instance
from tests.monitor.rows import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def victor(client: Client) -> Client:
    client.force_login(make_user("victor", "viewer"))
    return client


def test_it_lists_every_instance_with_what_was_found(victor: Client) -> None:
    Instance.objects.create(name="orders-1", port=3307, site="berlin")
    page = victor.get("/repositories-spread/").content.decode()
    assert "orders-1" in page
    assert "1 that nobody can delete" in page
    assert page.count("missing") >= 4


def test_without_an_instance_it_says_so(victor: Client) -> None:
    assert "No instance yet" in victor.get("/repositories-spread/").content.decode()


def test_the_page_of_an_instance_says_what_to_do(victor: Client) -> None:
    Instance.objects.create(name="orders-1", port=3307)
    page = victor.get("/instances/orders-1/").content.decode()
    assert "Keep a recent copy in 2 repositories." in page


def test_nobody_sees_it_without_a_login(client: Client) -> None:
    assert client.get("/repositories-spread/").status_code == 302
