"""What does each answer to "is it encrypted?" mean to the client library?"""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from backups.instances.connection import login_of
from backups.models import Instance
from backups.tls import Tls, tls_options


def test_off_and_preferred() -> None:
    assert tls_options(Tls.OFF) == {"ssl_disabled": True}
    assert tls_options(Tls.OFF, "/ca.pem") == {"ssl_disabled": True}
    assert tls_options(Tls.PREFERRED) == {}


def test_required_encrypts_and_does_not_ask_who_it_is() -> None:
    context = tls_options(Tls.REQUIRED)["ssl"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_an_authority_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tls_options(Tls.PREFERRED, str(tmp_path / "ca.pem"))


@pytest.mark.django_db
@pytest.mark.parametrize("tls", Tls)
def test_an_instance_decides_for_its_connections(tls: Tls) -> None:
    instance = Instance.objects.create(name="orders-1", engine="clone", tls=tls.value)
    login = login_of(instance)
    assert (login.tls, login.engine) == (tls, "clone")
