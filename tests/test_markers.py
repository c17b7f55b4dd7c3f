"""Which tests run on PostgreSQL too: those marked ``database``. Is no other able to use it?"""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import TestCase


def marked(request: pytest.FixtureRequest) -> bool:
    return request.node.get_closest_marker("database") is not None


def test_without_the_mark_the_database_is_refused(request: pytest.FixtureRequest) -> None:
    assert not marked(request)
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        User.objects.count()


def test_a_fixture_of_the_database_marks(request: pytest.FixtureRequest, db: None) -> None:
    assert marked(request)


def test_a_fixture_with_transactions_marks(
    request: pytest.FixtureRequest, transactional_db: None
) -> None:
    assert marked(request)


@pytest.mark.django_db
def test_the_mark_of_django_marks(request: pytest.FixtureRequest) -> None:
    assert marked(request)


class MarkedTestCase(TestCase):
    @pytest.fixture(autouse=True)
    def its_mark(self, request: pytest.FixtureRequest) -> None:
        self.marked = marked(request)

    def test_a_test_case_of_django_is_marked(self) -> None:
        self.assertTrue(self.marked)
