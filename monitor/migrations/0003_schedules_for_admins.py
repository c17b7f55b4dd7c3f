"""Let admins configure schedules and tags, and look at what came of them."""

from __future__ import annotations

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

CONFIGURED = ("backupschedule", "tag")


def allow_schedules(apps, schema_editor):
    using = schema_editor.connection.alias
    create_permissions(installed.get_app_config("backups"), apps=apps, using=using, verbosity=0)
    admins = apps.get_model("auth", "Group").objects.using(using).get(name="admin")
    permission_model = apps.get_model("auth", "Permission")
    permissions = permission_model.objects.using(using).filter(content_type__app_label="backups")
    for permission in permissions:
        action, _, model = permission.codename.partition("_")
        if action == "view" or model in CONFIGURED:
            admins.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("monitor", "0002_see_activity"), ("backups", "0003_schedules")]

    operations = [migrations.RunPython(allow_schedules, migrations.RunPython.noop)]
