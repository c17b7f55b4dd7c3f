"""A rogue server: asks whoever connects for the password, and records what it gets."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from types import TracebackType

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1

SALT = b"a" * 20
PLUGIN_AUTH, SECURE, PROTOCOL_41, SSL, LENENC = 1 << 19, 1 << 15, 1 << 9, 1 << 11, 1 << 21


class Rogue:
    """Listens on a port of this machine, or on a socket file, as a context."""

    def __init__(
        self,
        plugin: str,
        *,
        greeting: str = "mysql_native_password",
        socket_file: str = "",
        certificate: tuple[str, str] | None = None,
    ) -> None:
        self._plugin, self._greeting, self._certificate = plugin, greeting, certificate
        self._key = rsa.generate_private_key(65537, 2048)
        self.received: list[bytes] = []
        family = socket.AF_UNIX if socket_file else socket.AF_INET
        self._listener = socket.socket(family)
        self._listener.bind(socket_file or ("127.0.0.1", 0))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def got(self, password: str) -> bool:
        """Whether the password arrived: in the clear, or encrypted with the rogue's own key."""
        return any(password.encode() in each for each in [*self.received, *self._decrypted()])

    def __enter__(self) -> Rogue:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError, EOFError):
                client.settimeout(5)
                self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        _send(client, 0, self._hello())
        if self._certificate is not None:
            _receive(client)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self._certificate)
            client = context.wrap_socket(client, server_side=True)
        sequence = self._keep(client)
        if self._plugin != self._greeting:
            _send(client, sequence + 1, b"\xfe" + self._plugin.encode() + b"\0" + self._question())
            sequence = self._keep(client)
        if self._plugin == "caching_sha2_password":
            # The fast way is declined: the whole password is wanted.
            _send(client, sequence + 1, b"\x01\x04")
            sequence = self._keep(client)
        if self.received[-1] in (b"\x01", b"\x02"):
            _send(client, sequence + 1, b"\x01" + self._public_key())
            self._keep(client)

    def _hello(self) -> bytes:
        flags = PLUGIN_AUTH | SECURE | PROTOCOL_41 | LENENC
        flags |= SSL if self._certificate else 0
        low, high = flags & 0xFFFF, flags >> 16
        head = b"\x0a8.0.36\0" + struct.pack("<I", 7) + SALT[:8] + b"\0"
        caps = struct.pack("<HBHHB", low, 45, 2, high, 21) + bytes(10)
        return head + caps + SALT[8:] + b"\0" + self._greeting.encode() + b"\0"

    def _question(self) -> bytes:
        return b"\x05Password: " if self._plugin == "dialog" else SALT + b"\0"

    def _public_key(self) -> bytes:
        return self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def _keep(self, client: socket.socket) -> int:
        sequence, payload = _receive(client)
        self.received.append(payload)
        return sequence

    def _decrypted(self) -> list[bytes]:
        oaep = padding.OAEP(mgf=padding.MGF1(SHA1()), algorithm=SHA1(), label=None)  # noqa: S303
        found = []
        for payload in self.received:
            with contextlib.suppress(ValueError):
                masked = self._key.decrypt(payload, oaep)
                found.append(bytes(b ^ SALT[i % len(SALT)] for i, b in enumerate(masked)))
        return found


def _send(client: socket.socket, sequence: int, payload: bytes) -> None:
    client.sendall(struct.pack("<I", len(payload) | sequence << 24) + payload)


def _receive(client: socket.socket) -> tuple[int, bytes]:
    header = _exactly(client, 4)
    return header[3], _exactly(client, int.from_bytes(header[:3], "little"))


def _exactly(client: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count:
        if not (more := client.recv(count - len(content))):
            raise EOFError
        content += more
    return content
