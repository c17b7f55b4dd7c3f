"""Certificates for tests: a CA of its own, and a certificate of it for one name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from backups.logins.tls import Certificates


def issue(folder: Path, name: str) -> Certificates:
    """Make a CA, and a certificate and key for ``name``, as files."""
    authority, signer = _key(), _key()
    issuer = _name(f"CA of {name}")
    files = {
        "ca": _certificate(issuer, issuer, authority, authority, is_ca=True),
        "own": _certificate(_name(name), issuer, signer, authority, is_ca=False),
        "key": signer.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    }
    for kind, content in files.items():
        (folder / f"{name}-{kind}.pem").write_bytes(content)
    return Certificates(*(str(folder / f"{name}-{kind}.pem") for kind in files))


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name.replace(" ", "-"))


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: rsa.RSAPrivateKey,
    signing: rsa.RSAPrivateKey,
    *,
    is_ca: bool,
) -> bytes:
    name = subject.rfc4514_string().removeprefix("CN=")
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general_name(name)]), critical=False)
    )
    return builder.sign(signing, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
