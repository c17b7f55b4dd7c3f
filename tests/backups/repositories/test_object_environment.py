"""Does the environment of a process change where and how objects are stored?"""

from __future__ import annotations

from functools import cache

import pytest

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION
from backups.repositories.objects import connection, sessions
from backups.repositories.objects.store import BucketStore
from tests.backups.repositories.object_server import KEYS, new_place

IDENTITY = Identity("00000000-0000-0000-0000-000000000007", FORMAT_VERSION)


def test_its_endpoint_is_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    store = BucketStore(new_place(), KEYS)
    store.initialise(IDENTITY)
    store.try_writing()
    assert store.identity() == IDENTITY


@pytest.mark.parametrize(
    "name", ["AWS_SSE_CUSTOMER_KEY_BASE64", "AWS_SERVER_SIDE_ENCRYPTION", "AWS_SSE_KMS_KEY_ID"]
)
def test_its_encryption_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "AAAA")
    with pytest.raises(RepositoryError, match=f"{name}: .* in another way") as raised:
        BucketStore(new_place(), KEYS).initialise(IDENTITY)
    assert "AAAA" not in str(raised.value)


def test_its_profile_is_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "session", cache(sessions.new_session))
    monkeypatch.setattr(connection, "session", sessions.session)
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    BucketStore(new_place(), KEYS).try_writing()
