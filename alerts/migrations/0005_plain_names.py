"""Give models, columns and states the names that DBAs expect."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

KINDS = [
    ("firing", "Alert"),
    ("escalation", "Escalation"),
    ("reminder", "Reminder"),
    ("recovery", "Recovery"),
    ("digest", "Digest"),
    ("success", "Success"),
    ("channel_fault", "Channel fault"),
    ("test", "Test"),
]
RENAMED_KINDS = {"worse": "escalation", "channel_lost": "channel_fault"}
RENAMED_RULES = {"tick_silent": "periodic_task_stopped"}


def rename_values(apps, schema_editor):
    using = schema_editor.connection.alias
    notifications = apps.get_model("alerts", "Notification").objects.using(using)
    for old, new in RENAMED_KINDS.items():
        notifications.filter(kind=old).update(kind=new)
    for old, new in RENAMED_RULES.items():
        for model in ("Alert", "RuleSetting", "Silence"):
            apps.get_model("alerts", model).objects.using(using).filter(rule=old).update(rule=new)


class Migration(migrations.Migration):
    dependencies = [("alerts", "0004_alert_history")]

    operations = [
        migrations.RenameModel("Telling", "NotificationState"),
        migrations.RenameField("notificationstate", "told_at", "notified_at"),
        migrations.RenameField("notificationstate", "recovery_told", "recovery_sent"),
        migrations.AlterField(
            "notificationstate",
            "alert",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="notification_states",
                to="alerts.alert",
            ),
        ),
        migrations.AlterField(
            "notificationstate",
            "channel",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="notification_states",
                to="alerts.channel",
            ),
        ),
        migrations.RemoveConstraint("notificationstate", "alerts_telling_once"),
        migrations.AddConstraint(
            "notificationstate",
            models.UniqueConstraint(fields=("alert", "channel"), name="alerts_notified_once"),
        ),
        migrations.RenameIndex(
            "notificationstate", new_name="alerts_notified_remind", old_name="alerts_telling_remind"
        ),
        migrations.RemoveIndex("alerttransition", "alerts_transition_untold"),
        migrations.RenameField("alerttransition", "told_at", "routed_at"),
        migrations.AddIndex(
            "alerttransition",
            models.Index(fields=["routed_at", "id"], name="alerts_transition_unrouted"),
        ),
        migrations.RenameField("alert", "seen_at", "last_found_at"),
        migrations.RenameField("alert", "returns", "recurrences"),
        migrations.RenameField("alert", "facts_at_first", "first_facts"),
        migrations.RenameField("route", "tell_recovery", "notify_recovery"),
        migrations.RenameField("route", "least_severe", "min_severity"),
        migrations.RenameField("silence", "most_severe", "max_severity"),
        migrations.RenameField("channel", "sender_until", "sender_lease_expires_at"),
        migrations.RemoveIndex("notification", "alerts_notification_next_look"),
        migrations.RenameField("notification", "next_look_at", "next_attempt_at"),
        migrations.AddIndex(
            "notification",
            models.Index(fields=["next_attempt_at"], name="alerts_notification_due"),
        ),
        migrations.RenameField("notification", "answer", "response"),
        migrations.RemoveConstraint("notification", "alerts_notification_kind_valid"),
        migrations.AlterField(
            "notification", "kind", models.CharField(choices=KINDS, max_length=20)
        ),
        migrations.RunPython(rename_values, migrations.RunPython.noop),
        migrations.AddConstraint(
            "notification",
            models.CheckConstraint(
                condition=models.Q(("kind__in", [kind for kind, _ in KINDS])),
                name="alerts_notification_kind_valid",
            ),
        ),
    ]
