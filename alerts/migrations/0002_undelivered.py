"""Record what a channel was not notified of, and which recipients need no further attempt."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("alerts", "0001_initial")]

    operations = [
        migrations.AddField(
            "notificationstate", "delivery_failed", models.BooleanField(default=False)
        ),
        migrations.AddField(
            "notification", "done_recipients", models.JSONField(blank=True, default=list)
        ),
    ]
