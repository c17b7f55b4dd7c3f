"""Login by name and password; logout by a POST request."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView

from monitor.access.roles import public

login = public(
    LoginView.as_view(template_name="monitor/login.html", redirect_authenticated_user=True)
)
logout = public(LogoutView.as_view())
