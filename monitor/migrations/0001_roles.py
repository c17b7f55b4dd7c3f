"""Create the groups of the roles, and let admins configure and read in the Django admin."""

from __future__ import annotations

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

# All other models are history: admins may read it, and nobody edits it.
CONFIGURED = {
    "alerts": ("channel", "route", "rulesetting", "silence"),
    "backups": ("backupschedule", "instance", "instancegroup", "repository", "tag"),
}


def create_roles(apps, schema_editor):
    using = schema_editor.connection.alias
    group_model = apps.get_model("auth", "Group")
    permission_model = apps.get_model("auth", "Permission")
    for name in ("viewer", "operator", "admin"):
        group_model.objects.using(using).get_or_create(name=name)
    admins = group_model.objects.using(using).get(name="admin")
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
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("alerts", "0001_initial"),
        ("backups", "0001_initial"),
    ]

    operations = [migrations.RunPython(create_roles, migrations.RunPython.noop)]
