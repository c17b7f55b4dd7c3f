"""A real SMTP server with STARTTLS and authentication, and a certificate of its own."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.live.server import free_port

USER, PASSWORD = "mooring", "smtp p4ssword"


class Mailbox:
    """What arrived. ``refuse`` maps a recipient to the answer that it gets.

    ``refuse_logins`` is what every login gets.
    """

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.arrived_at: list[datetime] = []
        self.refuse: dict[str, str] = {}
        self.refuse_logins = ""
        self.port = 0

    # Any: aiosmtpd calls with its own server object and lists of options.
    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := self.refuse.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        self.recipients.extend(envelope.rcpt_tos)
        self.arrived_at.append(datetime.now(UTC))
        self.messages.append(message_from_bytes(content, policy=policy.default))
        return "250 queued as 4711"


# Any: as above.
def _authenticate(
    server: Any, session: Session, envelope: Envelope, mechanism: str, login: Any
) -> AuthResult:
    if answer := server.event_handler.refuse_logins:
        return AuthResult(success=False, handled=False, message=answer)
    wanted = LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=login == wanted, handled=False)


@contextmanager
def mailbox(folder: Path) -> Iterator[Mailbox]:
    """Run the server; ``folder`` gets its certificate, ``ca.pem``, which a client must trust."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*_certificate(folder))
    box = Mailbox()
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=context,
        require_starttls=True,
        authenticator=_authenticate,
        auth_required=True,
    )
    controller.start()
    try:
        box.port = controller.port
        yield box
    finally:
        controller.stop()


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    begin = datetime.now(UTC) - timedelta(days=1)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=3))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "ca.pem", folder / "key.pem"
