"""Histories may begin by a failover; what stored binlogs take is measured."""

from __future__ import annotations

from django.db import migrations, models

STARTS = ["first", "reset", "server", "failover", "behind", "gap"]


class Migration(migrations.Migration):
    dependencies = [("backups", "0001_initial")]

    operations = [
        migrations.RemoveConstraint("binlogtimeline", "backups_timeline_start_valid"),
        migrations.AlterField(
            "binlogtimeline",
            "start",
            models.CharField(
                choices=[
                    ("first", "Archive enabled"),
                    ("reset", "Binlogs were reset"),
                    ("server", "Another server"),
                    ("failover", "Failover"),
                    ("behind", "Source lost its newest transactions"),
                    ("gap", "Files between are missing"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddField(
            "repositoryspace", "binlog_bytes", models.BigIntegerField(blank=True, null=True)
        ),
        migrations.AddIndex(
            "segmentcopy",
            models.Index(
                condition=models.Q(("expired_at", None)),
                fields=["repository", "stored_bytes"],
                name="backups_segmentcopy_size",
            ),
        ),
        migrations.AddConstraint(
            "binlogtimeline",
            models.CheckConstraint(
                condition=models.Q(("start__in", STARTS)), name="backups_timeline_start_valid"
            ),
        ),
    ]
