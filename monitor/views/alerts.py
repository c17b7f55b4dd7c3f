"""Alerts: open ones, history, details, and acknowledging."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_POST, require_safe

from alerts.models import Alert
from backups.activity import record
from backups.models import Instance
from backups.models.activity import Verb
from monitor.access.roles import Role, needs
from monitor.acknowledging import acknowledge_all
from monitor.forms.filters import AlertFilter
from monitor.selectors.alert import load_alert, silence_address
from monitor.selectors.alerts import count_severities, load_history, load_open
from monitor.selectors.channels import is_anybody_notified
from monitor.views.requests import redirect_back, requesting_user

MOST_AT_ONCE = 200
COMMENT_CHARACTERS = 2000


@require_safe
@needs(Role.VIEWER)
def alerts(request: HttpRequest) -> HttpResponse:
    return render(request, "monitor/alerts.html", _open(request))


@require_safe
@needs(Role.VIEWER)
def alerts_live(request: HttpRequest) -> HttpResponse:
    """Render the live region only."""
    return render(request, "monitor/partials/alerts_live.html", _open(request))


@require_safe
@needs(Role.VIEWER)
def alert_history(request: HttpRequest) -> HttpResponse:
    form = AlertFilter(request.GET)
    for name in ("status", "silenced"):
        del form.fields[name]
    chosen = form.chosen()
    context = {"form": form, "filtered": _is_filtered(chosen)}
    context["alerts"] = load_history(chosen, request.GET.get("page"))
    return render(request, "monitor/alert_history.html", context)


@require_safe
@needs(Role.VIEWER)
def alert_detail(request: HttpRequest, alert: int) -> HttpResponse:
    view = load_alert(alert, now())
    if view is None:
        raise Http404(f"no alert has the id {alert}")
    context = {"view": view, "alert": view.alert, "silence": silence_address(view.alert)}
    return render(request, "monitor/alert_detail.html", context)


@require_POST
@needs(Role.OPERATOR)
def alert_acknowledge(request: HttpRequest, alert: int) -> HttpResponse:
    """Acknowledge one alert."""
    _acknowledge(request, [get_object_or_404(Alert, pk=alert)])
    return redirect("alert-detail", alert)


@require_POST
@needs(Role.OPERATOR)
def alerts_acknowledge(request: HttpRequest) -> HttpResponse:
    """Acknowledge all selected alerts."""
    ids = [int(word) for word in request.POST.getlist("alert") if _is_id(word)]
    if ids:
        _acknowledge(request, list(Alert.objects.filter(pk__in=ids[:MOST_AT_ONCE])))
    else:
        messages.warning(request, "No alert was selected.")
    return redirect_back(request, "alerts")


def _acknowledge(request: HttpRequest, selected: list[Alert]) -> None:
    comment = request.POST.get("comment", "").strip()[:COMMENT_CHARACTERS]
    done = acknowledge_all(selected, by=requesting_user(request), comment=comment, now=now())
    for alert in done:
        record(Verb.ACKNOWLEDGED, alert, details={"comment": comment})
    if left := len(selected) - len(done):
        rest = "were already resolved or acknowledged"
        messages.warning(request, f"{len(done)} acknowledged; {left} {rest}.")
    else:
        messages.success(request, f"{len(done)} acknowledged.")


def _open(request: HttpRequest) -> dict[str, object]:
    form = AlertFilter(request.GET)
    chosen, at = form.chosen(), now()
    return {
        "form": form,
        "filtered": _is_filtered(chosen),
        "severity": chosen["severity"],
        "tiles": count_severities(at),
        "alerts": load_open(chosen, request.GET.get("page"), at),
        # Called by the page only where no alert is open.
        "has_instances": Instance.objects.exists,
        "is_anybody_notified": is_anybody_notified,
    }


def _is_filtered(chosen: dict[str, object]) -> bool:
    return any(value not in (None, "") for value in chosen.values())


def _is_id(word: str) -> bool:
    # A longer number is not a valid id: the database would reject it.
    return word.isascii() and word.isdigit() and len(word) <= 18
