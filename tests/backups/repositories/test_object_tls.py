"""Is a store with a certificate of one's own CA trusted by its CA file, and by nothing else?"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.utils.timezone import now

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION
from backups.repositories.objects.place import BucketPlace
from backups.repositories.objects.store import BucketStore
from tests.backups.repositories.bad_proxy import BadProxy, bad_proxy, redirect_to
from tests.backups.repositories.object_server import KEYS, moto_address, new_place

PEM = serialization.Encoding.PEM


def signed(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: ec.EllipticCurvePrivateKey, *, ca: bool
) -> bytes:
    """Return a certificate of 127.0.0.1, signed by the key of ``an authority``."""
    subject, by = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
        for text in (name, "an authority")
    )
    made = (
        x509.CertificateBuilder(by, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now() - timedelta(hours=1))
        .not_valid_after(now() + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    return made.sign(issuer, hashes.SHA256()).public_bytes(PEM)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """The certificate of the authority; that of the store is beside it, with its key."""
    authority, key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    private = key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "store.pem").write_bytes(signed("a store", key, authority, ca=False) + private)
    path = tmp_path / "ca.pem"
    path.write_bytes(signed("an authority", authority, authority, ca=True))
    return path


@pytest.fixture
def proxy(certificate: Path) -> Iterator[BadProxy]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.with_name("store.pem"))
    with bad_proxy(moto_address(), context) as proxy:
        yield proxy


@pytest.fixture
def place(proxy: BadProxy) -> BucketPlace:
    return new_place(url=proxy.url)


def test_its_ca_file_is_needed(place: BucketPlace, certificate: Path) -> None:
    identity = Identity("00000000-0000-0000-0000-000000000007", FORMAT_VERSION)
    trusting = BucketStore(replace(place, ca_file=str(certificate)), KEYS)
    trusting.initialise(identity)
    trusting.try_writing()
    assert trusting.identity() == identity
    doubting = BucketStore(place, KEYS)
    for ask in (doubting.identity, doubting.clock):
        with pytest.raises(RepositoryError, match="its TLS certificate is not trusted") as raised:
            ask()
        assert "CA file" in raised.value.hint


def test_a_ca_file_that_is_not_there_is_named(place: BucketPlace, tmp_path: Path) -> None:
    store = BucketStore(replace(place, ca_file=str(tmp_path / "none.pem")), KEYS)
    for ask in (store.identity, store.clock):
        with pytest.raises(RepositoryError, match=r"CA file .*none.pem cannot be read"):
            ask()


def test_tls_is_not_left_by_a_redirect(
    place: BucketPlace, proxy: BadProxy, certificate: Path
) -> None:
    with bad_proxy(moto_address()) as plain:
        proxy.fail("GET", redirect_to(f"{plain.url}/x"), times=9)
        with pytest.raises(RepositoryError):
            BucketStore(replace(place, ca_file=str(certificate)), KEYS).identity()
        assert plain.requests == []
