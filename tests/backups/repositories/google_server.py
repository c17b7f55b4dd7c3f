"""A small Google Cloud Storage of this process: it checks every token, and keeps objects in moto.

Google's protocol for objects is near that of S3: what differs is translated, and checked before.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from functools import cache
from http.client import HTTPConnection, HTTPResponse
from http.server import ThreadingHTTPServer
from urllib.parse import quote, unquote
from uuid import uuid4

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from backups.repositories.objects.google.place import GooglePlace
from backups.repositories.objects.google.tokens import SCOPE, AccountTokens
from backups.repositories.objects.secret_texts import StoredText
from backups.repositories.objects.store import BucketStore
from tests.backups.repositories.bad_proxy import HOP, BadHandler, BadProxy, pass_on, refuse
from tests.backups.repositories.object_server import KEY_ID, calls, moto_address

EMAIL = "mooring@tests.iam.gserviceaccount.com"
TOKEN = "token-of-a-role"
CLASSES = {"STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"}


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def service_account() -> str:
    """Return the JSON file of a key, as Google creates it."""
    pem = private_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # The address is one that nothing may ask.
    return json.dumps(
        {
            "type": "service_account",
            "client_email": EMAIL,
            "private_key_id": "1",
            "private_key": pem.decode(),
            "token_uri": "http://127.0.0.1:1/token",
        },
        indent=2,
    )


def account_tokens() -> AccountTokens:
    return AccountTokens(StoredText(service_account))


def is_trusted(authorization: str) -> bool:
    """Whether a token is of the role, or signed by the service account and not over."""
    token = authorization.removeprefix("Bearer ")
    if token == TOKEN:
        return True
    try:
        head, claims, signature = token.split(".")
        private_key().public_key().verify(
            _decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
        )
    except (ValueError, InvalidSignature):
        return False
    said = json.loads(_decoded(claims))
    known = (said["iss"], said["scope"]) == (EMAIL, SCOPE)
    return bool(known and said["iat"] <= time.time() + 60 and time.time() < said["exp"])


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class GoogleHandler(BadHandler):
    """Passes on to moto what a token was sent with."""

    classes: list[str]

    def handle_request(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        wanted = self.headers.get("x-goog-storage-class", "STANDARD")
        if not is_trusted(self.headers.get("Authorization", "")):
            refuse(401, "AuthenticationRequired")(self, body)
        elif wanted not in CLASSES:
            refuse(400, "InvalidArgument")(self, body)
        else:
            if self.command in {"PUT", "POST"} and "partNumber" not in self.path:
                self.classes.append(wanted)
            pass_on(self, body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_request

    def ask(self, body: bytes) -> tuple[HTTPResponse, bytes]:
        upstream = HTTPConnection(*self.proxy.upstream)
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in {*HOP, "authorization"}
            and not name.lower().startswith("x-goog-")
        }
        # By which moto finds the bucket; it looks at no signature.
        scope = f"{KEY_ID}/20261130/us-east-1/s3/aws4_request"
        headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, Signature=x"
        if self.headers.get("x-goog-if-generation-match") == "0":
            headers["If-None-Match"] = "*"
        path, mark, query = self.path.partition("?")
        # The library encodes every character that is no letter or digit.
        target = f"{quote(unquote(path))}{mark}{query}"
        upstream.request(self.command, target, body, headers)
        response = upstream.getresponse()
        content = response.read()
        upstream.close()
        return response, content


@cache
def google_address() -> tuple[str, int]:
    """Start the store, which ends with the process."""
    GoogleHandler.classes = []
    handler = type("Handler", (GoogleHandler,), {"proxy": BadProxy(moto_address())})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return "127.0.0.1", int(server.server_address[1])


def new_google_place(prefix: str = "backups/db", url: str = "") -> GooglePlace:
    """Return a place in a new bucket."""
    host, port = google_address()
    place = GooglePlace(f"mooring-{uuid4().hex[:12]}", prefix, url or f"http://{host}:{port}")
    calls().create_bucket(Bucket=place.bucket)
    return place


def new_google_store() -> BucketStore:
    return BucketStore(new_google_place(), account_tokens())
