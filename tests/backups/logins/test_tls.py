"""What does each answer to "is it encrypted?" mean to the client library?"""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError

from backups.instances.connection import login_of
from backups.logins.guard import GuardedConnection
from backups.logins.tls import Certificates, Tls, tls_options
from backups.models import Instance


def test_off_and_preferred() -> None:
    assert tls_options(Tls.OFF) == {"ssl_disabled": True}
    assert tls_options(Tls.OFF, Certificates("/ca.pem")) == {"ssl_disabled": True}
    assert tls_options(Tls.PREFERRED) == {}


def test_required_encrypts_and_does_not_ask_who_it_is() -> None:
    context = tls_options(Tls.REQUIRED)["ssl"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_only_those_that_verify_load_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[ssl.SSLContext] = []
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda self, *_: loaded.append(self))
    preferred = GuardedConnection(defer_connect=True, **tls_options(Tls.PREFERRED))
    required = GuardedConnection(defer_connect=True, **tls_options(Tls.REQUIRED))
    assert not loaded
    for connection in (preferred, required):
        assert vars(connection)["ctx"].verify_mode == ssl.CERT_NONE
    assert tls_options(Tls.VERIFY_IDENTITY)["ssl"].check_hostname
    assert len(loaded) == 1


def test_an_authority_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tls_options(Tls.VERIFY_CA, Certificates(str(tmp_path / "ca.pem")))


@pytest.mark.parametrize("tls", Tls)
def test_an_instance_decides_for_its_connections(tls: Tls) -> None:
    instance = Instance(name="orders-1", engine="clone", tls=tls.value, tls_ca_file="/ca.pem")
    login = login_of(instance)
    assert (login.tls, login.engine) == (tls, "clone")
    assert login.certificates.authority == "/ca.pem"


@pytest.mark.parametrize(
    ("host", "socket", "tls"),
    [
        ("127.0.0.1", "", Tls.PREFERRED),
        ("::1", "", Tls.PREFERRED),
        ("localhost", "", Tls.PREFERRED),
        ("db-1", "/run/mysqld/mysqld.sock", Tls.PREFERRED),
        ("db-1", "", Tls.REQUIRED),
        ("192.0.2.9", "", Tls.REQUIRED),
        ("localhost.example.org", "", Tls.REQUIRED),
    ],
)
def test_by_default_tls_is_required_beyond_this_host(host: str, socket: str, tls: Tls) -> None:
    assert login_of(Instance(name="orders-1", host=host, socket=socket)).tls is tls


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("tls_ca_file", {"tls": "verify-ca"}),
        ("tls", {"tls": "required", "tls_ca_file": "/ca.pem"}),
        ("tls", {"tls": "verify-identity", "tls_ca_file": "/ca.pem", "socket": "/s"}),
        ("tls_key_file", {"tls_certificate_file": "/own.pem"}),
        ("tls_ca_file", {"tls": "verify-ca", "tls_ca_file": "ca.pem"}),
    ],
)
def test_what_would_protect_less_than_it_seems_is_refused(
    column: str, words: dict[str, str]
) -> None:
    with pytest.raises(ValidationError) as caught:
        Instance(name="orders-1", **words).clean()
    assert set(caught.value.message_dict) == {column}
