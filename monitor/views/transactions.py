"""The page of an instance's archived transactions."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from backups.activity import record
from backups.models import Instance
from backups.models.activity import Verb
from monitor.access.roles import Role, has_role, needs
from monitor.selectors.transactions import load_transactions


@require_safe
@needs(Role.VIEWER)
def instance_transactions(request: HttpRequest, name: str) -> HttpResponse:
    """Show a timeline and a list; values of rows to operators only."""
    instance = get_object_or_404(Instance, name=name)
    values = has_role(request.user, Role.OPERATOR)
    view = load_transactions(instance, request.GET, values=values)
    if values and view.chosen is not None:
        record(Verb.VIEWED, instance, details={"transaction": view.chosen.name})
    context = {"instance": instance, "view": view, "values": values, "query": request.GET}
    return render(request, "monitor/transactions.html", context)
