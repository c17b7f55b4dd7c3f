"""E-mail over SMTP, as text and HTML, one thread per alert."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formataddr, formatdate, parseaddr
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from alerts.delivery.channels.base import DONE, Content, Field, Values
from alerts.delivery.channels.text import build_html, build_text
from alerts.exceptions import ChannelBroken, MessageRefused, NotDelivered, PartlyDelivered
from backups.exceptions import BadInput

TIMEOUT_SECONDS = 20
STARTTLS, TLS, PLAIN = "starttls", "tls", "none"


class EmailChannel:
    name: ClassVar[str] = "email"
    label: ClassVar[str] = "E-mail"
    fields: ClassVar[tuple[Field, ...]] = (
        Field("recipients", "Recipients", "One address per line.", kind="lines"),
        Field("sender", "Sender", "The From address."),
        Field("host", "SMTP host"),
        Field("port", "SMTP port", kind="number", default="587"),
        Field("security", "Security", kind="choice", default=STARTTLS,
              choices=((STARTTLS, "STARTTLS, required"), (TLS, "TLS from the start"),
                       (PLAIN, "None: unencrypted"))),
        Field("user", "User", "Blank: no authentication.", required=False),
        Field("password", "Password", secret=True, required=False),
    )  # fmt: skip

    def check(self, values: Values) -> None:
        for address in [values["sender"], *_recipients(values)]:
            _address(address)
        if not values["port"].isdigit() or not 0 < int(values["port"]) < 65536:
            raise BadInput(f"{values['port']!r} is not a port")
        if values["security"] not in {STARTTLS, TLS, PLAIN}:
            raise BadInput(f"{values['security']!r} is not a security setting")
        if values.get("password") and values["security"] == PLAIN:
            raise BadInput("the password would be sent unencrypted: choose STARTTLS or TLS")

    def send(self, content: Content, values: Values) -> str:
        message = build_message(content, values)
        done = set(values.get(DONE, "").splitlines())
        addresses = [_address(line) for line in _recipients(values)]
        recipients = [address for address in addresses if address not in done]
        if not recipients:
            return "every recipient has responded to an earlier attempt"
        server = f"{values['host']}:{values['port']}"
        try:
            with _session(values) as session:
                refused = session.send_message(
                    message, from_addr=_address(values["sender"]), to_addrs=recipients
                )
        except smtplib.SMTPAuthenticationError as exc:
            text = f"{server} does not accept user or password: {_response_text(exc)}"
            # 454, a temporary failure, raises the same exception (RFC 4954, 6).
            raise (ChannelBroken if _is_final(exc.smtp_code) else NotDelivered)(text) from None
        except smtplib.SMTPRecipientsRefused as exc:
            refused = exc.recipients
        except smtplib.SMTPResponseException as exc:
            # Of the content, not of the session: too long, or not wanted.
            final = isinstance(exc, smtplib.SMTPDataError) and _is_final(exc.smtp_code)
            text = f"{server} responded {_response_text(exc)}"
            raise (MessageRefused if final else NotDelivered)(text) from None
        except (smtplib.SMTPException, OSError) as exc:
            raise NotDelivered(f"{server}: {exc}") from None
        text = f"{server} accepted it for {len(recipients) - len(refused)} recipients"
        if refused:
            raise _undelivered(f"{text}; refused {_refusals(refused)}", recipients, refused)
        return text


def _undelivered(
    text: str, recipients: Sequence[str], refused: Mapping[str, tuple[int, bytes]]
) -> NotDelivered:
    """Return the error: what is refused for good is not retried, who accepted gets it once."""
    later = {name for name, (code, _) in refused.items() if not _is_final(code)}
    done = [name for name in recipients if name not in later]
    if not done:
        return NotDelivered(text)
    final = {name: _refusal(*refused[name]) for name in done if name in refused}
    return PartlyDelivered(text, done=done, refused=final, left=bool(later))


def build_message(content: Content, values: Values) -> EmailMessage:
    """Return the e-mail; mail clients show those about one alert as a thread."""
    message = EmailMessage()
    sender = _address(values["sender"])
    domain = sender.rpartition("@")[2]
    # On one line: an error of a server or a tool may have several.
    message["Subject"] = f"[Mooring] {' '.join(str(content['title']).split())}"
    message["From"] = formataddr(("Mooring", sender))
    message["To"] = ", ".join(
        formataddr((parseaddr(line)[0], _address(line))) for line in _recipients(values)
    )
    message["Date"] = formatdate(usegmt=True)
    # The same in every attempt: a mail client shows a duplicate once.
    key = hashlib.sha256(str(content["id"]).encode()).hexdigest()[:32]
    message["Message-ID"] = f"<{key}@{domain}>"
    threads = [f"<alert-{alert['id']}@{domain}>" for alert in content["alerts"][:20]]
    if threads:
        message["In-Reply-To"], message["References"] = threads[0], " ".join(threads)
    message["Mooring-Dedupe-Key"] = str(content["id"])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(build_text(content))
    message.add_alternative(build_html(content), subtype="html")
    return message


@contextmanager
def _session(values: Values) -> Iterator[smtplib.SMTP]:
    context = ssl.create_default_context()
    host, port = values["host"], int(values["port"])
    session = (
        smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
        if values["security"] == TLS
        else smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
    )
    with session:
        if values["security"] == STARTTLS:
            session.starttls(context=context)
        if values.get("user"):
            session.login(values["user"], values.get("password", ""))
        yield session


def _address(text: str) -> str:
    """Return the address of ``Name <address>`` as SMTP takes it; BadInput if it takes none."""
    address = parseaddr(text)[1]
    name, _, domain = address.rpartition("@")
    if not name.isascii():
        raise BadInput(
            f"{text!r} has letters beyond ASCII before the @",
            hint="Use another address of this recipient: many mail servers refuse such names.",
        )
    try:
        encoded = f"{name}@{domain if domain.isascii() else domain.encode('idna').decode()}"
        validate_email(encoded)
    except (ValidationError, UnicodeError):
        raise BadInput(f"{text!r} is not an e-mail address") from None
    return encoded


def _is_final(code: int) -> bool:
    return 500 <= code < 600


def _recipients(values: Values) -> list[str]:
    return [line.strip() for line in values["recipients"].splitlines() if line.strip()]


def _refusals(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return ", ".join(f"{address} ({_refusal(*answer)})" for address, answer in refused.items())


def _refusal(code: int, text: bytes) -> str:
    return f"{code} {text.decode(errors='replace')}"


def _response_text(error: smtplib.SMTPResponseException) -> str:
    text = error.smtp_error
    return f"{error.smtp_code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
