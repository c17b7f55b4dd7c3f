"""The Django admin, opened by the role admin and entered through the site's own login."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from monitor.access.admin_activity import Audited
from monitor.access.roles import Role, has_role


class MooringAdminSite(AdminSite):
    site_header = "Mooring administration"
    site_title = "Mooring"
    index_title = "Configuration and history"

    def has_permission(self, request: HttpRequest) -> bool:
        return has_role(request.user, Role.ADMIN)

    # Any: a model or several of any kind, and options of theirs.
    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Register a page, and have what is changed there kept as activity."""
        base = admin_class or ModelAdmin
        if not issubclass(base, Audited):
            base = type(base.__name__, (Audited, base), {"__module__": base.__module__})
        super().register(model_or_iterable, base, **options)

    # Any: what Django passes to the page it would draw.
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send people to the site's own login: there is one door."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied("this needs the role admin")
        return redirect_to_login(request.GET.get("next", reverse("admin:index")))
