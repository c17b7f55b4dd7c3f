"""A few tables of a backup: choose a target, check the plan, start the restore."""

from __future__ import annotations

from socket import gethostname
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from backups.admin.places import place_to_wait
from backups.catalog.preferred import in_reading_order
from backups.models import Backup, BackupCopy
from backups.table_restores.plan import plan_table_restore
from backups.table_restores.request import create_table_restore_job, parameters_for
from monitor.access.roles import Role, needs
from monitor.confirmations import name_confirmed
from monitor.forms.table_restore import TABLE_RESTORE_FIELDS, TableRestoreForm
from monitor.selectors.restore import copies_to_restore
from monitor.views.requests import refusals_shown, requesting_user


@require_safe
@needs(Role.OPERATOR)
def table_restore(request: HttpRequest, label: str) -> HttpResponse:
    """Render the form, and the plan once a target is given. Nothing is changed."""
    copy = _copy_of(label)
    asked = "tables" in request.GET
    chosen = "\n".join(request.GET.getlist("table"))
    form = TableRestoreForm(request.GET if asked else None, copy=copy, initial={"tables": chosen})
    context: dict[str, object] = {"backup": copy.backup, "copy": copy, "form": form}
    if asked and form.is_valid():
        parameters = parameters_for(form.wanted())
        with refusals_shown(request), place_to_wait():
            context |= {
                "plan": plan_table_restore(copy, parameters),
                "target": parameters.target,
                "host": gethostname(),
                "hidden": [
                    (name, request.GET[name])
                    for name in TABLE_RESTORE_FIELDS
                    if request.GET.get(name)
                ],
            }
    return render(request, "monitor/table_restore.html", context)


@require_POST
@needs(Role.OPERATOR)
def table_restore_start(request: HttpRequest, label: str) -> HttpResponse:
    """Request the planned restore; its worker repeats all checks."""
    copy = _copy_of(label)
    form = TableRestoreForm(request.POST, copy=copy)
    if form.is_valid():
        wanted = form.wanted()
        if name_confirmed(request, parameters_for(wanted).target):
            with refusals_shown(request):
                job = create_table_restore_job(copy, wanted, requested_by=requesting_user(request))
                return redirect("job-detail", job.pk)
    asked = {name: request.POST[name] for name in TABLE_RESTORE_FIELDS if request.POST.get(name)}
    address = reverse("table-restore", args=[label])
    return HttpResponseRedirect(f"{address}?{urlencode(asked)}")


def _copy_of(label: str) -> BackupCopy:
    """Return the copy that is read, or raise Http404."""
    get_object_or_404(Backup, label=label)
    copies = in_reading_order(copies_to_restore().filter(backup__label=label))
    if not copies:
        raise Http404("this backup has no stored copy")
    return copies[0]
