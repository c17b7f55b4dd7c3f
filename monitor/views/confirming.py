"""What only a person can know is confirmed here, by the functions of the commands of that name."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_POST, require_safe

from alerts.evaluation.new_history import confirm_server
from backups.instances.files import confirm_files
from backups.instances.identity import Replacement
from backups.models import Instance
from backups.retention.expiry import confirm_expiry
from monitor.access.roles import Role, needs
from monitor.selectors.expiry import load_expiry
from monitor.views.requests import refusals_shown


@require_POST
@needs(Role.ADMIN)
def instance_confirm_server(request: HttpRequest, name: str) -> HttpResponse:
    """Store what the other server at the address is, if it is still the one that was shown."""
    instance = get_object_or_404(Instance, name=name)
    choice, seen = request.POST.get("as", ""), request.POST.get("server", "")
    if choice not in {kind.value for kind in Replacement} or not seen:
        messages.error(request, "Nothing was changed: choose what the other server is.")
        return redirect("instance-detail", name)
    with refusals_shown(request):
        accepted = confirm_server(instance, Replacement(choice), now(), seen=seen)
        messages.success(request, f"The server of {name} is {accepted.server_identity} now.")
    return redirect("instance-detail", name)


@require_POST
@needs(Role.ADMIN)
def instance_confirm_files(request: HttpRequest, name: str) -> HttpResponse:
    """Store that the files which were shown are of the server that was shown."""
    instance, seen = get_object_or_404(Instance, name=name), request.POST.get("files", "")
    if not seen:
        messages.error(request, "Nothing was changed: the page did not show what to confirm.")
        return redirect("instance-detail", name)
    with refusals_shown(request):
        messages.success(request, f"Confirmed: {confirm_files(instance, now(), seen=seen)}.")
    return redirect("instance-detail", name)


@require_safe
@needs(Role.ADMIN)
def expiry(request: HttpRequest) -> HttpResponse:
    """Show what would be purged if expiry continued now, and why it is held."""
    return render(request, "monitor/expiry.html", {"view": load_expiry(now())})


@require_POST
@needs(Role.ADMIN)
def expiry_confirm(request: HttpRequest) -> HttpResponse:
    """Let expiry continue, if nothing expires by now that was not shown."""
    seen = {int(word) for word in request.POST.get("copies", "").split() if word.isdecimal()}
    with refusals_shown(request):
        purges = confirm_expiry(now(), seen=seen)
        messages.success(request, f"Expiry continues; {purges} purges were requested.")
    return redirect("expiry")
