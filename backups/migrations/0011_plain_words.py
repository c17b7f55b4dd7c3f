import datetime

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("backups", "0010_later_of_sort")]

    operations = [
        migrations.RemoveIndex("Occurrence", "backups_occurrence_next_look"),
        migrations.RemoveIndex("Occurrence", "backups_occurrence_of_instance"),
        migrations.RemoveIndex("Occurrence", "backups_occurrence_of_schedule"),
        migrations.RemoveIndex("InstanceProtection", "backups_protection_look"),
        migrations.RemoveConstraint("JobSlot", "backups_jobslot_held_once"),
        migrations.RenameModel("JobSlot", "LimitPlace"),
        migrations.RenameModel("TickBeat", "TickHeartbeat"),
        migrations.RenameModel("WorkerBeat", "WorkerHeartbeat"),
        migrations.RenameField("Occurrence", "next_look_at", "next_check_at"),
        migrations.RenameField("InstanceProtection", "next_look_at", "next_check_at"),
        migrations.RenameField("Job", "heard_at", "last_activity_at"),
        migrations.RemoveConstraint(
            model_name="occurrence",
            name="backups_occurrence_reason_valid",
        ),
        migrations.RenameIndex(
            model_name="occurrence",
            new_name="backups_occurrence_status",
            old_name="backups_occurrence_standing",
        ),
        migrations.RenameIndex(
            model_name="workerheartbeat",
            new_name="backups_worker_seen",
            old_name="backups_workerbeat_seen",
        ),
        migrations.AlterField(
            model_name="backupschedule",
            name="at_window_end",
            field=models.CharField(
                choices=[
                    ("finish", "Let it finish, and report the overrun"),
                    ("cancel", "Stop it"),
                ],
                default="finish",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="backupschedule",
            name="covers_all",
            field=models.BooleanField(default=False, help_text="Covers every instance."),
        ),
        migrations.AlterField(
            model_name="backupschedule",
            name="grace",
            field=models.DurationField(
                default=datetime.timedelta(seconds=900),
                help_text="How long after its due time a run is late.",
            ),
        ),
        migrations.AlterField(
            model_name="backupschedule",
            name="max_jobs",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="Maximum number of its jobs that are active at the same time.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="backupschedule",
            name="stagger",
            field=models.DurationField(
                default=datetime.timedelta(0),
                help_text="The period over which the starts of its instances are spread.",
            ),
        ),
        migrations.AlterField(
            model_name="backupschedule",
            name="window",
            field=models.DurationField(
                default=datetime.timedelta(seconds=14400),
                help_text="How long after its due time a run may still start.",
            ),
        ),
        migrations.AlterField(
            model_name="instance",
            name="allow_plugin_install",
            field=models.BooleanField(
                default=False,
                help_text="MySQL: a backup may install the clone plugin if it is missing.",
            ),
        ),
        migrations.AlterField(
            model_name="instance",
            name="history_tool",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "None: only Mooring backs it up"),
                    ("mariadb_backup", "mariadb-backup --history"),
                    ("xtrabackup", "XtraBackup --history"),
                    ("mysqlbackup", "MySQL Enterprise Backup"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="instance",
            name="save_foreign_tables",
            field=models.BooleanField(
                default=False,
                help_text="MySQL: save tables of other engines by SELECT, each locked meanwhile.",
            ),
        ),
        migrations.AlterField(
            model_name="limitplace",
            name="job",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="places", to="backups.job"
            ),
        ),
        migrations.AlterField(
            model_name="occurrence",
            name="reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "No obstacle"),
                    ("paused", "The schedule is paused"),
                    ("schedule_disabled", "The schedule is disabled"),
                    ("instance_disabled", "The instance is disabled"),
                    ("instance_unreachable", "The instance cannot be reached"),
                    ("previous_running", "The previous run has not ended"),
                    ("limit", "A limit of concurrent jobs is reached"),
                    ("no_worker", "No worker takes jobs from the queue"),
                    ("not_claimed", "No worker claimed the job in time"),
                    ("repository", "The repository cannot be used"),
                    ("refused", "This kind of backup is not possible here; see the detail"),
                    ("scheduler_down", "The scheduler was not running"),
                    ("nothing_seen", "The tool's own history shows no run"),
                    ("history_unknown", "The tool's own history cannot be read"),
                    ("superseded", "A later occurrence replaced it"),
                    ("failed", "An attempt failed"),
                    ("window_end", "Stopped by the schedule at the end of the window"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="repository",
            name="encrypted",
            field=models.BooleanField(
                default=True,
                help_text="Encrypt new backups; unencrypted ones are readable by anyone there.",
            ),
        ),
        migrations.AlterField(
            model_name="repository",
            name="max_jobs",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="Maximum number of jobs that use it at the same time; blank is no limit.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="max concurrent jobs",
            ),
        ),
        migrations.AddIndex(
            model_name="instanceprotection",
            index=models.Index(fields=["next_check_at"], name="backups_protection_check"),
        ),
        migrations.AddIndex(
            model_name="occurrence",
            index=models.Index(
                condition=models.Q(("next_check_at__isnull", False)),
                fields=["next_check_at"],
                name="backups_occurrence_next_check",
            ),
        ),
        migrations.AddIndex(
            model_name="occurrence",
            index=models.Index(
                condition=models.Q(("next_check_at__isnull", False)),
                fields=["instance", "next_check_at"],
                name="backups_occurrence_of_instance",
            ),
        ),
        migrations.AddIndex(
            model_name="occurrence",
            index=models.Index(
                condition=models.Q(("next_check_at__isnull", False)),
                fields=["schedule", "next_check_at"],
                name="backups_occurrence_of_schedule",
            ),
        ),
        migrations.AddConstraint(
            model_name="limitplace",
            constraint=models.UniqueConstraint(
                fields=("resource", "number"), name="backups_limitplace_held_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="occurrence",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "reason__in",
                        [
                            "",
                            "paused",
                            "schedule_disabled",
                            "instance_disabled",
                            "instance_unreachable",
                            "previous_running",
                            "limit",
                            "no_worker",
                            "not_claimed",
                            "repository",
                            "refused",
                            "scheduler_down",
                            "nothing_seen",
                            "history_unknown",
                            "superseded",
                            "failed",
                            "window_end",
                        ],
                    )
                ),
                name="backups_occurrence_reason_valid",
            ),
        ),
    ]
