"""Which alerts go to which channels, and were the notifications delivered?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.core.paginator import Page, Paginator
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from alerts.delivery.channels import CHANNELS
from alerts.delivery.channels.base import Field
from alerts.models import Channel, Notification, Route
from alerts.rules import RULES
from alerts.states import NotificationStatus, Severity
from monitor.wording.lengths import format_configured_length

PAGE_SIZE = 25
MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One route, as text."""

    route: Route

    @property
    def what(self) -> str:
        """Which alerts: Warning and above of Job failed, group shop."""
        minimum = Severity(self.route.min_severity)
        words = f"{minimum.label} and above" if minimum < Severity.EMERGENCY else minimum.label
        if self.route.rules:
            titles = [RULES[name].title if name in RULES else name for name in self.route.rules]
            words += f" of {_listed(titles)}"
        groups = [group.name for group in self.route.groups.all()]
        tags = [tag.name for tag in self.route.tags.all()]
        if groups:
            words += f", group {_listed(groups)}"
        if tags:
            words += f", tag {_listed(tags)}"
        return words

    @property
    def how(self) -> str:
        """How: immediately, reminder every 12 h, with recovery notifications."""
        route = self.route
        words = ["immediately"]
        if route.digest_every:
            words = [f"digest every {format_configured_length(route.digest_every)}"]
        if route.remind_every:
            words.append(f"reminder every {format_configured_length(route.remind_every)}")
        words.append("with recoveries" if route.notify_recovery else "without recoveries")
        if route.quiet_from and route.quiet_to:
            hours = f"{route.quiet_from:%H:%M}–{route.quiet_to:%H:%M} {route.time_zone}"
            words.append(f"quiet hours {hours} except emergencies")
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One channel in the list."""

    channel: Channel
    last: Notification | None

    @property
    def kind(self) -> str:
        return label_of(self.channel.kind)

    @property
    def state(self) -> str:
        if self.channel.enabled:
            return "enabled"
        return "broken" if self.channel.disabled_reason else "disabled"

    @property
    def routes(self) -> list[RouteRow]:
        return [RouteRow(route) for route in self.channel.routes.all()]


@dataclass(frozen=True, slots=True)
class ChannelView:
    """The page of one channel."""

    row: ChannelRow
    # Labels and values of public settings; of secrets, only that they exist.
    settings: Sequence[tuple[str, str]]
    # With ``alert_count``. Any: annotated.
    page: Page[Any]
    waiting: int


def label_of(kind: str) -> str:
    return CHANNELS[kind].label if kind in CHANNELS else kind


def is_anybody_notified() -> bool:
    """Whether an enabled channel has an enabled route."""
    return Route.objects.filter(enabled=True, channel__enabled=True).exists()


def load_channels(page: str | None) -> tuple[Page[Any], list[ChannelRow]]:
    """Load a page of channels with routes and newest notifications. Any: annotated."""
    newest = Notification.objects.filter(channel=OuterRef("pk")).order_by("-id")
    channels = _with_routes(Channel.objects.order_by("name"))
    channels = channels.annotate(newest_id=Subquery(newest.values("pk")[:1]))
    shown = Paginator(channels, PAGE_SIZE).get_page(page)
    # The annotation above.
    ids = [getattr(channel, "newest_id", None) for channel in shown]
    notifications = Notification.objects.defer("content").in_bulk([pk for pk in ids if pk])
    pairs = zip(shown, ids, strict=True)
    rows = [ChannelRow(channel, notifications.get(pk or 0)) for channel, pk in pairs]
    return shown, rows


def load_channel(name: str, page: str | None) -> ChannelView | None:
    """Load the page of a channel; None if it does not exist."""
    channel = _with_routes(Channel.objects.filter(name=name)).first()
    if channel is None:
        return None
    notifications = Notification.objects.filter(channel=channel).defer("content").order_by("-id")
    shown = Paginator(notifications.annotate(alert_count=Count("alerts")), PAGE_SIZE).get_page(page)
    open_statuses = (NotificationStatus.PENDING, NotificationStatus.SENDING)
    waiting = Notification.objects.filter(Q(status__in=open_statuses), channel=channel).count()
    last = shown.object_list[0] if shown.number == 1 and shown.object_list else None
    return ChannelView(ChannelRow(channel, last), _visible(channel), shown, waiting)


def _visible(channel: Channel) -> list[tuple[str, str]]:
    kind = CHANNELS.get(channel.kind)
    if kind is None:
        return []
    rows = [(f.label, _shown(f, channel)) for f in kind.fields if not f.secret]
    secrets = [field.label for field in kind.fields if field.secret]
    if secrets and channel.secrets_token:
        rows.append((", ".join(secrets), "stored encrypted, never shown"))
    return [(label, value) for label, value in rows if value]


def _shown(field: Field, channel: Channel) -> str:
    value = str(channel.settings.get(field.name, ""))
    if not field.host_only or not value:
        return value
    parts = urlsplit(value)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…"


def _with_routes(channels: QuerySet[Channel]) -> QuerySet[Channel]:
    return channels.prefetch_related("routes__groups", "routes__tags")


def _listed(words: Sequence[str]) -> str:
    more = len(words) - MOST_NAMED
    named = ", ".join(words[:MOST_NAMED])
    return f"{named} and {more} more" if more > 0 else named
