"""Create the groups that stand for the roles, and let admins configure in the Django admin."""

from __future__ import annotations

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

# Everything else of the executor is history: it is looked at and never edited.
CONFIGURED = ("instance", "instancegroup", "repository")


def create_roles(apps, schema_editor):
    using = schema_editor.connection.alias
    # Permissions are otherwise created after the last migration, too late for this one.
    create_permissions(installed.get_app_config("backups"), apps=apps, using=using, verbosity=0)
    group_model = apps.get_model("auth", "Group")
    permission_model = apps.get_model("auth", "Permission")
    for name in ("viewer", "operator", "admin"):
        group_model.objects.using(using).get_or_create(name=name)
    admins = group_model.objects.using(using).get(name="admin")
    permissions = permission_model.objects.using(using).filter(content_type__app_label="backups")
    for permission in permissions:
        action, _, model = permission.codename.partition("_")
        if action == "view" or model in CONFIGURED:
            admins.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("backups", "__first__"),
    ]

    operations = [migrations.RunPython(create_roles, migrations.RunPython.noop)]
