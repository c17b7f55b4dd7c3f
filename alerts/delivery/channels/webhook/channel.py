"""Webhook: the notification as a signed POST request."""

from __future__ import annotations

import json
import time
from typing import ClassVar

from django.template import Context, Engine

from alerts.delivery.channels.base import Content, Field, Values
from alerts.delivery.channels.webhook.signature import build_signature
from alerts.delivery.outbound import ServerResponse, post, refuse_bad_url
from alerts.exceptions import ChannelBroken, MessageRefused, NotDelivered
from backups.exceptions import BadInput

# Gone, or the credentials are not accepted: a retry cannot succeed.
PERMANENT_FAILURES = {
    401: "does not accept the credentials",
    403: "forbids the request",
    410: "no longer exists",
}
TOO_LARGE = 413
MAX_SHOWN_LENGTH = 300
# Set by Mooring: a custom header of that name would break the signature or the request.
RESERVED = {"content-type", "content-length", "host", "mooring-signature", "mooring-dedupe-key"}


class WebhookChannel:
    name: ClassVar[str] = "webhook"
    label: ClassVar[str] = "Webhook"
    fields: ClassVar[tuple[Field, ...]] = (
        Field("url", "URL", "Target of requests. Pages show its host; only admins see all of it.",
              host_only=True),
        Field("secret", "Signing secret", "Signs every request; at least 16 characters.",
              secret=True),
        Field("headers", "Headers", "One per line, as Name: value. Stored encrypted.",
              kind="lines", secret=True, required=False),
        Field("body", "Body", "A Django template over the notification's fields; blank: "
              "the JSON itself. The filter json quotes a value.", kind="lines", required=False),
        Field("content_type", "Content type", "Content type of the body.",
              default="application/json", required=False),
    )  # fmt: skip

    def check(self, values: Values) -> None:
        try:
            refuse_bad_url(values["url"])
        except ChannelBroken as exc:
            raise BadInput(str(exc)) from None
        if len(values["secret"]) < 16:
            raise BadInput("the signing secret has fewer than 16 characters")
        parse_headers(values.get("headers", ""))
        build_body({}, values.get("body", ""))

    def send(self, content: Content, values: Values) -> str:
        body = build_body(content, values.get("body", ""))
        headers = {
            **parse_headers(values.get("headers", "")),
            "Content-Type": values.get("content_type") or "application/json",
            "User-Agent": "Mooring",
            "Mooring-Dedupe-Key": str(content["id"]),
            "Mooring-Signature": build_signature(values["secret"], body, int(time.time())),
        }
        response = post(values["url"], body, headers)
        text = f"{response.status} {response.text[:MAX_SHOWN_LENGTH]}".strip()
        _raise_failure(response, text)
        return text


def _raise_failure(response: ServerResponse, text: str) -> None:
    if 200 <= response.status < 300:
        return
    if reason := PERMANENT_FAILURES.get(response.status):
        raise ChannelBroken(f"the receiver {reason}: {text}")
    if response.status == TOO_LARGE:
        raise MessageRefused(f"the receiver takes no message of this size: {text}")
    if 300 <= response.status < 400:
        raise NotDelivered(f"redirects are not followed, use the final address: {text}")
    raise NotDelivered(f"the receiver responded {text}", retry_after=response.retry_after)


def parse_headers(text: str) -> dict[str, str]:
    """Parse ``Name: value`` lines; BadInput names an invalid line."""
    headers = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        name = name.strip()
        if not colon or not name or not name.replace("-", "").isalnum() or not name.isascii():
            # Not the line itself: it may contain a secret.
            raise BadInput(f"line {number} of the headers is not of the form Name: value")
        if name.lower() in RESERVED:
            raise BadInput(f"header {name} is set by Mooring itself")
        headers[name] = value.strip()
    return headers


def build_body(content: Content, template: str) -> bytes:
    """Return what is sent: the content as JSON, or rendered by the channel's template."""
    if not template.strip():
        # Sorted: databases may reorder the fields, and every attempt has to be the same.
        return json.dumps(content, ensure_ascii=False, sort_keys=True).encode()
    engine = Engine(autoescape=False, builtins=["alerts.delivery.channels.webhook.filters"])
    try:
        return engine.from_string(template).render(Context(dict(content))).encode()
    except Exception as exc:
        # Filters may raise anything.
        raise BadInput(f"the template of the body fails: {exc}") from None
