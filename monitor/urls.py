"""The address of every page."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from monitor.views import (
    activity,
    alerts,
    backups,
    calendar,
    changed_copies,
    channels,
    confirming,
    fleet,
    health,
    instances,
    jobs,
    login,
    pins,
    preferences,
    repositories,
    restore,
    routes,
    rules,
    schedule_forms,
    schedules,
    settings_groups,
    settings_instances,
    settings_repositories,
    silences,
    styleguide,
    transactions,
)

admin.autodiscover()

# Separate paths for adding: a schedule may have any name, such as "add".
_PLANNING = [
    path("schedules/", schedules.schedules, name="schedules"),
    path("add/schedule/", schedule_forms.schedule_add, name="schedule-add"),
    path("preview/schedule/", schedule_forms.schedule_preview, name="schedule-preview"),
    path("schedules/<str:name>/", schedules.schedule_detail, name="schedule-detail"),
    path("schedules/<str:name>/edit/", schedule_forms.schedule_edit, name="schedule-edit"),
    path("schedules/<str:name>/pause/", schedules.schedule_pause, name="schedule-pause"),
    path("schedules/<str:name>/resume/", schedules.schedule_resume, name="schedule-resume"),
    path("schedules/<str:name>/start/", schedules.schedule_start, name="schedule-start"),
    path("calendar/", calendar.calendar, name="calendar"),
    path("calendar/<str:name>/<str:day>/", calendar.calendar_day, name="calendar-day"),
]
_ALERTS = [
    path("alerts/", alerts.alerts, name="alerts"),
    path("alerts/live/", alerts.alerts_live, name="alerts-live"),
    path("alerts/history/", alerts.alert_history, name="alert-history"),
    path("alerts/acknowledge/", alerts.alerts_acknowledge, name="alerts-acknowledge"),
    path("alerts/<int:alert>/", alerts.alert_detail, name="alert-detail"),
    path("alerts/<int:alert>/acknowledge/", alerts.alert_acknowledge, name="alert-acknowledge"),
    path("channels/", channels.channels, name="channels"),
    path("add/channel/<str:kind>/", channels.channel_add, name="channel-add"),
    path("channels/<str:name>/", channels.channel_detail, name="channel-detail"),
    path("channels/<str:name>/edit/", channels.channel_edit, name="channel-edit"),
    path("channels/<str:name>/test/", channels.channel_test, name="channel-test"),
    path("channels/<str:name>/delete/", channels.channel_delete, name="channel-delete"),
    path("channels/<str:name>/add-route/", routes.route_add, name="route-add"),
    path("channels/<str:name>/routes/<int:route>/", routes.route_edit, name="route-edit"),
    path(
        "channels/<str:name>/routes/<int:route>/delete/", routes.route_delete, name="route-delete"
    ),
    path("silences/", silences.silences, name="silences"),
    path("add/silence/", silences.silence_add, name="silence-add"),
    path("preview/silence/", silences.silence_preview, name="silence-preview"),
    path("silences/<int:silence>/", silences.silence_edit, name="silence-edit"),
    path("silences/<int:silence>/end/", silences.silence_end, name="silence-end"),
    path("rules/", rules.rules, name="rules"),
    path("rules/<str:rule>/", rules.rule_detail, name="rule-detail"),
    path("rules/<str:rule>/add-setting/", rules.rule_setting_add, name="rule-setting-add"),
    path(
        "rules/<str:rule>/settings/<int:setting>/",
        rules.rule_setting_edit,
        name="rule-setting-edit",
    ),
    path(
        "rules/<str:rule>/settings/<int:setting>/delete/",
        rules.rule_setting_delete,
        name="rule-setting-delete",
    ),
]

urlpatterns = [
    *_PLANNING,
    *_ALERTS,
    path("", fleet.fleet, name="fleet"),
    path("fleet/live/", fleet.fleet_live, name="fleet-live"),
    path("groups/<str:group>/", fleet.group_detail, name="group-detail"),
    path("groups/<str:group>/live/", fleet.group_live, name="group-live"),
    path("instances/<str:name>/", instances.instance_detail, name="instance-detail"),
    path("instances/<str:name>/live/", instances.instance_live, name="instance-live"),
    path("instances/<str:name>/doctor/", instances.instance_doctor, name="instance-doctor"),
    path(
        "instances/<str:name>/confirm-server/",
        confirming.instance_confirm_server,
        name="instance-confirm-server",
    ),
    path(
        "instances/<str:name>/confirm-files/",
        confirming.instance_confirm_files,
        name="instance-confirm-files",
    ),
    path(
        "instances/<str:name>/transactions/",
        transactions.instance_transactions,
        name="instance-transactions",
    ),
    path("instances/<str:name>/backup/", instances.instance_backup, name="instance-backup"),
    path("jobs/<int:pk>/", jobs.job_detail, name="job-detail"),
    path("jobs/<int:pk>/live/", jobs.job_live, name="job-live"),
    path("jobs/<int:pk>/rate/", jobs.job_rate, name="job-rate"),
    path("jobs/<int:pk>/log/", jobs.job_log, name="job-log"),
    path("jobs/<int:pk>/cancel/", jobs.job_cancel, name="job-cancel"),
    path("jobs/<int:pk>/again/", jobs.job_again, name="job-again"),
    path("backups/<str:label>/", backups.backup_detail, name="backup-detail"),
    path("backups/<str:label>/contents/", backups.backup_contents, name="backup-contents"),
    path("backups/<str:label>/pin/", pins.backup_pin, name="backup-pin"),
    path("backups/<str:label>/hold/", pins.backup_hold, name="backup-hold"),
    path("backups/<str:label>/copies/<int:copy>/purge/", pins.copy_purge, name="copy-purge"),
    path(
        "backups/<str:label>/copies/<int:copy>/changed/",
        changed_copies.copy_changed,
        name="copy-changed",
    ),
    path(
        "backups/<str:label>/copies/<int:copy>/accept/",
        changed_copies.copy_accept,
        name="copy-accept",
    ),
    path("backups/<str:label>/copies/<int:copy>/verify/", backups.copy_verify, name="copy-verify"),
    path(
        "backups/<str:label>/copies/<int:copy>/restore-test/",
        backups.copy_restore_test,
        name="copy-restore-test",
    ),
    path(
        "backups/<str:label>/copies/<int:copy>/consolidate/",
        backups.copy_consolidate,
        name="copy-consolidate",
    ),
    path("expiry/", confirming.expiry, name="expiry"),
    path("expiry/confirm/", confirming.expiry_confirm, name="expiry-confirm"),
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
