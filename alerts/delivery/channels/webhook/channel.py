"""Webhook: the message as a signed POST request."""

from __future__ import annotations

import json
import time
from typing import ClassVar

from django.template import Context, Engine

from alerts.delivery.channels.base import Content, Field, Values
from alerts.delivery.channels.webhook.signature import build_signature
from alerts.delivery.outbound import HttpAnswer, post, refuse_bad_url
from alerts.exceptions import ChannelDead, NotDelivered
from backups.exceptions import BadInput

# Gone for good, or our credentials are not accepted: asking again changes nothing.
DEAD = {401: "does not accept the credentials", 403: "forbids it", 410: "says that it is gone"}
SHOWN_CHARACTERS = 300
# Ours to set: a header of the same name would break the signature or the request.
RESERVED = {"content-type", "content-length", "host", "mooring-signature", "mooring-dedupe-key"}


class WebhookChannel:
    name: ClassVar[str] = "webhook"
    label: ClassVar[str] = "Webhook"
    fields: ClassVar[tuple[Field, ...]] = (
        Field("url", "URL", "Where to POST to. Pages show its host; admins can read it whole.",
              host_only=True),
        Field("secret", "Signing secret", "Signs every request; at least 16 characters.",
              secret=True),
        Field("headers", "Headers", "One per line: Name: value. Encrypted, as they may be secret.",
              kind="lines", secret=True, required=False),
        Field("body", "Body", "A Django template over the message; blank sends the message's "
              "JSON. The filter json quotes a value.", kind="lines", required=False),
        Field("content_type", "Content type", "Of the body.", default="application/json",
              required=False),
    )  # fmt: skip

    def check(self, values: Values) -> None:
        try:
            refuse_bad_url(values["url"])
        except ChannelDead as exc:
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
        answer = post(values["url"], body, headers)
        text = f"{answer.status} {answer.text[:SHOWN_CHARACTERS]}".strip()
        _refuse(answer, text)
        return text


def _refuse(answer: HttpAnswer, text: str) -> None:
    if 200 <= answer.status < 300:
        return
    if reason := DEAD.get(answer.status):
        raise ChannelDead(f"the receiver {reason}: {text}")
    if 300 <= answer.status < 400:
        raise NotDelivered(f"redirects are not followed, give the last address: {text}")
    raise NotDelivered(f"the receiver answered {text}", retry_after=answer.retry_after)


def parse_headers(text: str) -> dict[str, str]:
    """Read ``Name: value`` lines; BadInput names the line that is not one."""
    headers = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        name = name.strip()
        if not colon or not name or not name.replace("-", "").isalnum() or not name.isascii():
            # Not the line itself: it may hold a secret.
            raise BadInput(f"line {number} of the headers is not Name: value")
        if name.lower() in RESERVED:
            raise BadInput(f"header {name} is set by Mooring itself")
        headers[name] = value.strip()
    return headers


def build_body(content: Content, template: str) -> bytes:
    """Return what is sent: the message as JSON, or what the channel's template makes of it."""
    if not template.strip():
        # Sorted: a database may keep the fields in an order of its own, and every try is the same.
        return json.dumps(content, ensure_ascii=False, sort_keys=True).encode()
    engine = Engine(autoescape=False, builtins=["alerts.delivery.channels.webhook.filters"])
    try:
        return engine.from_string(template).render(Context(dict(content))).encode()
    except Exception as exc:
        # Filters raise whatever they like on what they are given.
        raise BadInput(f"the body's template fails: {exc}") from None
