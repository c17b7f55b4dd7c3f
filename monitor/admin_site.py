"""The Django admin, for the role admin, behind the site's own login."""

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
        """Register a page whose changes are recorded as activity."""
        base = admin_class or ModelAdmin
        if not issubclass(base, Audited):
            base = type(base.__name__, (Audited, base), {"__module__": base.__module__})
        super().register(model_or_iterable, base, **options)

    # Any: the context that Django would render the page with.
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the site's own login, the only one."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied("the role admin is required")
        return redirect_to_login(request.GET.get("next", reverse("admin:index")))
