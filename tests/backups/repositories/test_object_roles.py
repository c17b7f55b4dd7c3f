"""Which credentials does a host's role give, and what if it gives none for a moment?"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from backups.exceptions import RepositoryError
from backups.repositories.objects import roles
from backups.repositories.objects.credentials import RoleKeys
from backups.repositories.objects.store import BucketStore
from tests.backups.repositories.object_server import new_place


@pytest.fixture(autouse=True)
def _no_role_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "ROLE", roles.HostRole())


class _Metadata(BaseHTTPRequestHandler):
    """The metadata service of an instance with a role; the next requests may be lost."""

    lost = 0
    asked = 0

    def answer(self) -> None:
        _Metadata.asked += 1
        if _Metadata.lost:
            _Metadata.lost -= 1
            self.close_connection = True
            return
        role = "/latest/meta-data/iam/security-credentials/"
        keys = {"Code": "Success", "AccessKeyId": "role-id", "SecretAccessKey": "s", "Token": "t"}
        keys["Expiration"] = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        answers = {"/latest/api/token": "token", role: "backup", f"{role}backup": json.dumps(keys)}
        content = answers[self.path].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = answer

    def log_message(self, format: str, *args: object) -> None:
        """Be silent."""


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Metadata]]:
    # Those of the environment are for others.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    _Metadata.lost = _Metadata.asked = 0
    with HTTPServer(("127.0.0.1", 0), _Metadata) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield _Metadata
        server.shutdown()


def test_keys_of_an_instance_role(metadata: type[_Metadata]) -> None:
    found = RoleKeys().load()
    assert (found.access_key_id, found.token) == ("role-id", "t")
    assert found.read_again_at is not None


def test_a_lost_request_is_made_again(metadata: type[_Metadata]) -> None:
    metadata.lost = 2
    assert RoleKeys().load().access_key_id == "role-id"


def test_keys_that_are_valid_are_not_requested_again(metadata: type[_Metadata]) -> None:
    RoleKeys().load()
    asked = metadata.asked
    assert RoleKeys().load().access_key_id == "role-id"
    assert metadata.asked == asked


def test_a_host_without_a_role_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(RepositoryError, match="this host has no instance role"):
        RoleKeys().load()


def test_a_token_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/backup")
    for ask in (RoleKeys().load, BucketStore(new_place(), RoleKeys()).identity):
        with pytest.raises(RepositoryError, match="gave no credentials") as raised:
            ask()
        assert raised.value.transient
