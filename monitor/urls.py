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
    repositories,
    restore,
    settings_groups,
    settings_instances,
    settings_repositories,
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
    path("repositories/", repositories.repositories, name="repositories"),
    path("repositories/<str:name>/", repositories.repository_detail, name="repository-detail"),
    path("restore/", restore.restore_wizard, name="restore-wizard"),
    path("restore/start/", restore.restore_start, name="restore-start"),
    path("activity/", activity.activity, name="activity"),
    path("settings/", settings_instances.settings_instances, name="settings"),
    path(
        "settings/instances/add/",
        settings_instances.setting_instance_add,
        name="setting-instance-add",
    ),
    path(
        "settings/instances/test/",
        settings_instances.setting_instance_test,
        name="setting-instance-test",
    ),
    path("settings/instances/grants/", settings_instances.setting_grants, name="setting-grants"),
    path(
        "settings/instance/<str:name>/",
        settings_instances.setting_instance_edit,
        name="setting-instance-edit",
    ),
    path(
        "settings/instance/<str:name>/delete/",
        settings_instances.setting_instance_delete,
        name="setting-instance-delete",
    ),
    path(
        "settings/repositories/",
        settings_repositories.setting_repositories,
        name="setting-repositories",
    ),
    path(
        "settings/repositories/add/",
        settings_repositories.setting_repository_add,
        name="setting-repository-add",
    ),
    path(
        "settings/repository/<str:name>/",
        settings_repositories.setting_repository_edit,
        name="setting-repository-edit",
    ),
    path(
        "settings/repository/<str:name>/delete/",
        settings_repositories.setting_repository_delete,
        name="setting-repository-delete",
    ),
    path("settings/groups/", settings_groups.setting_groups, name="setting-groups"),
    path("settings/groups/add/", settings_groups.setting_group_add, name="setting-group-add"),
    path(
        "settings/group/<str:name>/", settings_groups.setting_group_edit, name="setting-group-edit"
    ),
    path(
        "settings/group/<str:name>/delete/",
        settings_groups.setting_group_delete,
        name="setting-group-delete",
    ),
    path("preferences/", preferences.preferences_change, name="preferences"),
    path("styleguide/", styleguide.styleguide, name="styleguide"),
    path("login/", login.login, name="login"),
    path("logout/", login.logout, name="logout"),
    path("healthz", health.healthz, name="healthz"),
    path("admin/", admin.site.urls),
]
