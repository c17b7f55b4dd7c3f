"""Let admins look at activity and slots in the Django admin, as at all other history."""

from __future__ import annotations

from importlib import import_module

from django.db import migrations

roles = import_module("monitor.migrations.0001_roles")


class Migration(migrations.Migration):
    dependencies = [
        ("monitor", "0001_roles"),
        ("backups", "0006_limits_and_activity"),
    ]

    operations = [migrations.RunPython(roles.create_roles, migrations.RunPython.noop)]
