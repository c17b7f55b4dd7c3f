"""The style guide: every component in all its states."""

from __future__ import annotations

from datetime import timedelta

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from monitor.access.roles import Role, needs
from monitor.charts.samples import sample_figure
from monitor.forms.sample import SampleForm
from monitor.selectors.sample_chain import sample_chain
from monitor.sorting import read_sorting
from monitor.wording.tones import TONES

COLOURS = (
    *("page", "surface", "raised", "sunken", "line", "line-strong", "text", "muted"),
    *("accent", "accent-soft", "ok", "ok-soft", "warn", "warn-soft", "bad", "bad-soft"),
    *("busy", "busy-soft", "idle", "idle-soft", "chart-1", "chart-2", "chart-3"),
)
LONG_NAME = "orders-archive-production-frankfurt-availability-zone-c-replica-17"
GIB = 1024**3


@require_safe
@needs(Role.ADMIN)
def styleguide(request: HttpRequest) -> HttpResponse:
    rows = [(LONG_NAME, "succeeded", 412 * GIB, 3_720), ("shop-1", "failed", 9 * GIB, 41)]
    context = {
        "colours": COLOURS,
        "statuses": TONES,
        "form": SampleForm(),
        "wrong": SampleForm({"port": "99999", "kind": "nothing", "host": "db1"}),
        "sorting": read_sorting(request.GET, ("name", "size", "took"), "name"),
        "rows": [(name, word, size, timedelta(seconds=took)) for name, word, size, took in rows],
        "page": Paginator(range(412), 20).get_page(request.GET.get("page")),
        "tabs": _tabs(request.GET.get("tab", "backups")),
        "kinds": ("info", "success", "warning", "error"),
        "figure": sample_figure(),
        "chain": sample_chain(now()),
        "now": now(),
        "last_sunday": now() - timedelta(days=3, hours=5),
    }
    return render(request, "styleguide/styleguide.html", context)


def _tabs(current: str) -> list[dict[str, object]]:
    words = (("backups", 128), ("jobs", 1_024), ("charts", None))
    return [
        {"word": word.title(), "address": f"?tab={word}", "count": n, "current": word == current}
        for word, n in words
    ]
