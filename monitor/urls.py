"""Addresses of every page."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from monitor.views import (
    activity,
    backups,
    fleet,
    health,
    instances,
    jobs,
    login,
    preferences,
    styleguide,
)

urlpatterns = [
    path("", fleet.fleet, name="fleet"),
    path("fleet/live/", fleet.fleet_live, name="fleet-live"),
    path("instances/<str:name>/", instances.instance_detail, name="instance-detail"),
    path("instances/<str:name>/live/", instances.instance_live, name="instance-live"),
    path("instances/<str:name>/backup/", instances.instance_backup, name="instance-backup"),
    path("jobs/<int:pk>/", jobs.job_detail, name="job-detail"),
    path("jobs/<int:pk>/live/", jobs.job_live, name="job-live"),
    path("jobs/<int:pk>/log/", jobs.job_log, name="job-log"),
    path("jobs/<int:pk>/cancel/", jobs.job_cancel, name="job-cancel"),
    path("backups/<str:label>/", backups.backup_detail, name="backup-detail"),
    path("backups/<str:label>/contents/", backups.backup_contents, name="backup-contents"),
    path("backups/<str:label>/copies/<int:copy>/verify/", backups.copy_verify, name="copy-verify"),
    path(
        "backups/<str:label>/copies/<int:copy>/restore-test/",
        backups.copy_restore_test,
        name="copy-restore-test",
    ),
    path("activity/", activity.activity, name="activity"),
    path("preferences/", preferences.preferences_change, name="preferences"),
    path("styleguide/", styleguide.styleguide, name="styleguide"),
    path("login/", login.login, name="login"),
    path("logout/", login.logout, name="logout"),
    path("healthz", health.healthz, name="healthz"),
    path("admin/", admin.site.urls),
]
