"""Let admins configure alerts and schedules, and look at what came after the first models."""

from __future__ import annotations

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

# Everything else is history: it is looked at and never edited.
CONFIGURED = {
    "alerts": ("channel", "route", "rulesetting", "silence"),
    "backups": ("backupschedule", "tag"),
}


def let_admins_configure(apps, schema_editor):
    using = schema_editor.connection.alias
    admins = apps.get_model("auth", "Group").objects.using(using).get(name="admin")
    permission_model = apps.get_model("auth", "Permission")
    for label, models in CONFIGURED.items():
        # Permissions are otherwise created after the last migration, too late for this one.
        create_permissions(installed.get_app_config(label), apps=apps, using=using, verbosity=0)
        of_app = permission_model.objects.using(using).filter(content_type__app_label=label)
        for permission in of_app:
            action, _, model = permission.codename.partition("_")
            if action == "view" or model in models:
                admins.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("monitor", "0002_see_activity"),
        ("alerts", "0003_evaluation"),
        ("backups", "0007_what_rules_ask"),
    ]

    operations = [migrations.RunPython(let_admins_configure, migrations.RunPython.noop)]
