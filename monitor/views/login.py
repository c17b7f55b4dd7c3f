"""Login by name and password; logout by a POST request, which closes tables of backups."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponseBase

from backups.opened_tables.session import request_close_all
from monitor.access.roles import public

login = public(
    LoginView.as_view(template_name="monitor/login.html", redirect_authenticated_user=True)
)
_leave = LogoutView.as_view()


@public
def logout(request: HttpRequest) -> HttpResponseBase:
    """End the session; what this user has open in private servers is closed."""
    user = request.user.get_username() if request.method == "POST" else ""
    answer = _leave(request)
    if user:
        request_close_all(user)
    return answer
