"""A small Azure Blob Storage of this process: it checks every signature, and keeps all in memory.

Signatures are computed as Microsoft documents them, not by the library that is tested.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4
from xml.sax.saxutils import escape

from backups.repositories.objects.azure.place import AzurePlace
from backups.repositories.objects.secret_texts import StoredText
from backups.repositories.objects.store import BucketStore

ACCOUNT = "mooringtests"
ACCOUNT_KEY = base64.b64encode(b"the key of the account, for tests only").decode()
AZURE_SECRET = StoredText(lambda: ACCOUNT_KEY)
TOKEN = "token-of-a-role"
SIGNATURE = "c2lnbmF0dXJl+/="
TIERS = {"Hot", "Cool", "Cold", "Archive"}
PAGE = 5000
# What is part of a signature, in its order.
SIGNED = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip


@dataclass
class Blob:
    content: bytes
    tier: str = ""


@dataclass
class Container:
    blobs: dict[str, Blob] = field(default_factory=dict)
    blocks: dict[str, dict[str, bytes]] = field(default_factory=dict)


@dataclass
class Answered(Exception):
    """What a request ends with."""

    status: int
    code: str = ""
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def signature_of(method: str, target: str, headers: Mapping[str, str]) -> str:
    """Return how the owner of the key signs a request; names of headers are in small letters."""
    url = urlsplit(target)
    words = [headers.get(name) or "" for name in SIGNED]
    words[2] = words[2] if words[2] != "0" else ""
    own = sorted((n, v) for n, v in headers.items() if n.startswith("x-ms-"))
    query = sorted((name.lower(), value) for name, value in parse_qsl(url.query, True))
    text = "\n".join([method, *words]) + "\n"
    text += "".join(f"{name}:{value}\n" for name, value in own)
    text += f"/{ACCOUNT}{url.path}" + "".join(f"\n{name}:{value}" for name, value in query)
    key = base64.b64decode(ACCOUNT_KEY)
    return base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).decode()


class AzureHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    containers: ClassVar[dict[str, Container]] = {}
    lock: ClassVar[threading.Lock] = threading.Lock()

    def handle_request(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            with self.lock:
                self.serve(
                    self.command, self.path, {n.lower(): v for n, v in self.headers.items()}, body
                )
        except Answered as answer:
            self.send(answer)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_request

    def send(self, answer: Answered) -> None:
        content = answer.content
        if answer.code:
            content = f"<Error><Code>{answer.code}</Code><Message>no</Message></Error>".encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def serve(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        """Raise the answer to a request."""
        refuse_unsigned(method, target, headers)
        url = urlsplit(target)
        query = dict(parse_qsl(url.query, True))
        _, account, name, *rest = unquote(url.path).split("/", 3)
        container = self.containers.get(name)
        if account != ACCOUNT or container is None:
            raise Answered(404, "ContainerNotFound")
        match method, query.get("comp"):
            case "GET", "list":
                raise listed(container, query)
            case "POST", "batch":
                raise self.batch(body, headers["content-type"].partition("boundary=")[2])
            case "PUT", "block":
                blocks = container.blocks.setdefault(rest[0], {})
                blocks[query["blockid"]] = body
                raise Answered(201)
            case "PUT", what:
                raise put(container, rest[0], headers, body, joined=what == "blocklist")
            case "DELETE", _:
                if container.blobs.pop(rest[0], None) is None:
                    raise Answered(404, "BlobNotFound")
                raise Answered(202)
        raise found(container.blobs.get(rest[0]), headers.get("range", ""))

    def batch(self, body: bytes, boundary: str) -> Answered:
        parts = body.split(f"--{boundary}".encode())[1:-1]
        sent = b""
        for number, part in enumerate(parts):
            lines = part.decode().partition("\r\n\r\n")[2].strip().split("\r\n")
            method, target, _ = lines[0].split()
            headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in lines[1:])}
            try:
                self.serve(method, target, headers, b"")
            except Answered as answer:
                sent += (
                    f"--r\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n"
                    f"HTTP/1.1 {answer.status} {answer.code or 'Accepted'}\r\n\r\n\r\n"
                ).encode()
        return Answered(
            202, "", sent + b"--r--\r\n", {"Content-Type": "multipart/mixed; boundary=r"}
        )

    def log_message(self, format: str, *args: object) -> None:
        """Be silent."""


def refuse_unsigned(method: str, target: str, headers: dict[str, str]) -> None:
    query = dict(parse_qsl(urlsplit(target).query, True))
    given = headers.get("authorization", "")
    if not given and "sig" not in query:
        raise Answered(403, "NoAuthenticationInformation")
    expected = f"SharedKey {ACCOUNT}:{signature_of(method, target, headers)}"
    if given not in {expected, f"Bearer {TOKEN}"} and query.get("sig") != SIGNATURE:
        raise Answered(403, "AuthenticationFailed")


def put(
    container: Container, name: str, headers: dict[str, str], body: bytes, *, joined: bool
) -> Answered:
    tier = headers.get("x-ms-access-tier", "")
    if tier and tier not in TIERS:
        return Answered(400, "InvalidHeaderValue")
    if headers.get("if-none-match") == "*" and name in container.blobs:
        return Answered(409, "BlobAlreadyExists")
    if joined:
        blocks = container.blocks.get(name, {})
        ids = re.findall(r"<(?:Uncommitted|Latest)>([^<]+)<", body.decode())
        if not set(ids) <= set(blocks):
            return Answered(400, "InvalidBlockList")
        body = b"".join(blocks[one] for one in ids)
    container.blobs[name] = Blob(body, tier)
    container.blocks.pop(name, None)
    return Answered(201, headers={"ETag": '"1"', "Last-Modified": formatdate(usegmt=True)})


def found(blob: Blob | None, range_: str) -> Answered:
    if blob is None:
        return Answered(404, "BlobNotFound")
    if blob.tier == "Archive":
        return Answered(409, "BlobArchived")
    headers = {"ETag": '"1"', "Last-Modified": formatdate(usegmt=True)}
    size, content, status = len(blob.content), blob.content, 200
    if range_:
        first, _, last = range_.removeprefix("bytes=").partition("-")
        if int(first) >= size:
            return Answered(416, "InvalidRange")
        content, status = content[int(first) : int(last) + 1], 206
        headers["Content-Range"] = f"bytes {first}-{int(first) + len(content) - 1}/{size}"
    return Answered(status, "", content, {**headers, "Content-Length": str(len(content))})


def listed(container: Container, query: dict[str, str]) -> Answered:
    prefix, most = query.get("prefix", ""), int(query.get("maxresults", PAGE))
    after = query.get("marker", "")
    names = sorted(n for n in container.blobs if n.startswith(prefix) and n >= after)
    rows = "".join(
        f"<Blob><Name>{escape(name)}</Name><Properties><Content-Type>x</Content-Type><Etag>1</Etag>"
        f"<Last-Modified>{formatdate(usegmt=True)}</Last-Modified>"
        f"<Content-Length>{len(container.blobs[name].content)}</Content-Length></Properties></Blob>"
        for name in names[:most]
    )
    more = escape(names[most]) if len(names) > most else ""
    text = f"<EnumerationResults><Blobs>{rows}</Blobs><NextMarker>{more}</NextMarker>"
    return Answered(200, "", f"{text}</EnumerationResults>".encode())


@cache
def azure_address() -> tuple[str, int]:
    """Start the store, which ends with the process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), AzureHandler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return "127.0.0.1", int(server.server_address[1])


def azure_container(name: str) -> Container:
    return AzureHandler.containers[name]


def new_azure_place(prefix: str = "backups/db", url: str = "") -> AzurePlace:
    """Return a place in a new container."""
    host, port = azure_address()
    place = AzurePlace(
        f"mooring-{uuid4().hex[:12]}", prefix, url or f"http://{host}:{port}", account=ACCOUNT
    )
    AzureHandler.containers[place.bucket] = Container()
    return place


def new_azure_store() -> BucketStore:
    return BucketStore(new_azure_place(), AZURE_SECRET)
