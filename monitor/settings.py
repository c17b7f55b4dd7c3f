"""Every setting, with its unit. What an operator may change is read from the environment."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import dj_database_url
from csp.constants import NONE, SELF

from monitor.environment import (
    ROOT,
    choice,
    number,
    numbers,
    secret,
    site_url,
    state_folder,
    switch,
    words,
)

VERSION = "0.1.0"
HOME = state_folder()
DEBUG = switch("MOORING_DEBUG")
SECRET_KEY = secret("MOORING_DJANGO_KEY", file_name="django.key")
ALLOWED_HOSTS = words("MOORING_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = words("MOORING_TRUSTED_ORIGINS", "")

# The newest key first: it encrypts; every key listed can still decrypt.
INSTANCE_SECRET_KEYS = (
    secret("MOORING_SECRET_KEY", file_name="secret.key").replace(",", " ").split()
)
# Read when a backup is written or opened, not at start: the site works without it.
BACKUP_KEY_TEXT = os.environ.get("MOORING_BACKUP_KEY", "")
BACKUP_KEY_FILE = Path(os.environ.get("MOORING_BACKUP_KEY_FILE") or HOME / "keys" / "backup.key")

# Binlogs as they are received, until every repository of their archive has them.
BINLOG_SPOOL = HOME / "binlogs"

INSTALLED_APPS = [
    "monitor.apps.MooringAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "axes",
    "backups",
    "alerts",
    "monitor.apps.MonitorConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "monitor.preferences.ZoneMiddleware",
    "monitor.middleware.NoNulMiddleware",
    "monitor.middleware.DirectionMiddleware",
    "monitor.middleware.ActingMiddleware",
    # Last, as it replaces the response to a locked-out user.
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "monitor.urls"
WSGI_APPLICATION = "monitor.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "monitor.lean_templates.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "monitor.preferences.preferences",
                "monitor.sample.sample_notice",
            ],
        },
    }
]

# SQLite for a small fleet; DATABASE_URL selects PostgreSQL for a larger one.
DATABASES = {
    "default": dj_database_url.config(
        default=f"sqlite:///{HOME / 'mooring.sqlite3'}", conn_max_age=60, conn_health_checks=True
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file is no server that goes away. The last connection that closes empties the WAL, which
    # then is created again.
    DATABASES["default"]["CONN_MAX_AGE"] = None
    DATABASES["default"]["OPTIONS"] = {
        # A writer waits for the other writer instead of failing a job over it.
        "timeout": 30,
        # Take the write lock at BEGIN: an upgrade in mid-transaction cannot wait, it fails.
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
# How long PostgreSQL works on one statement of this process; 0 is no limit. Web processes set one.
STATEMENT_SECONDS = number("MOORING_STATEMENT_SECONDS", 0)
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql" and STATEMENT_SECONDS:
    DATABASES["default"].setdefault("OPTIONS", {})["options"] = (
        f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={STATEMENT_SECONDS}s"
        f" -c idle_in_transaction_session_timeout={3 * STATEMENT_SECONDS}s"
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = HOME / "static"
STATICFILES_DIRS = [ROOT / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "monitor.plotly_files.PlotlyFinder",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "fleet"
LOGOUT_REDIRECT_URL = "login"
# First the lock-out is checked, then the password.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# After this many failures a user name is locked out, for that address only, for this long.
AXES_FAILURE_LIMIT = number("MOORING_LOGIN_ATTEMPTS", 5, least=1)
AXES_COOLOFF_TIME = timedelta(minutes=number("MOORING_LOGIN_COOL_OFF_MINUTES", 15, least=1))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
# Attempts during the lock-out must not extend it: the page shows when it ends.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_USERNAME_CALLABLE = "monitor.access.lockout.counted_name"
AXES_CLIENT_IP_CALLABLE = "monitor.access.addresses.counted_address"
AXES_LOCKOUT_CALLABLE = "monitor.access.lockout.locked_out"
# The activity page is the only record of logins.
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
# How many proxies append to X-Forwarded-For; 0: the header is ignored.
TRUSTED_PROXIES = number("MOORING_TRUSTED_PROXIES", 0)

# Behind TLS (MOORING_TLS=yes) cookies are secure and browsers are sent HSTS.
BEHIND_TLS = switch("MOORING_TLS")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_SSL_REDIRECT = BEHIND_TLS
# Health checks reach the process directly, without TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = BEHIND_TLS
SECURE_HSTS_PRELOAD = BEHIND_TLS
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = BEHIND_TLS
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 3600 * number("MOORING_SESSION_HOURS", 12, least=1)
CSRF_COOKIE_SECURE = BEHIND_TLS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "monitor.views.errors.csrf_failure"
X_FRAME_OPTIONS = "DENY"
# Nothing inline and nothing external: an injected tag cannot run anything.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Where the Celery application is, for those who send messages.
MESSAGES_APP = "monitor.celery.app"
CELERY_BROKER_URL = os.environ.get("REDIS_URL") or f"redis+socket://{HOME / 'run' / 'redis.sock'}"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A message comes at once all the same: this is how long one question for messages waits.
    "polling_interval": 10,
    # By this a worker that is to end finds its own question.
    "client_name": f"mooring-{os.getpid()}@{os.uname().nodename}",
}
# Rows say which workers there are; nobody asks the workers themselves.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_TASK_IGNORE_RESULT = True
# Acknowledged on receipt: a message only wakes a worker, and a periodic task repeats lost ones.
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.2}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_TASK_DEFAULT_QUEUE = "control"

# A worker renews its claim on a job this often, and has lost it after LEASE_SECONDS.
LEASE_SECONDS = number("MOORING_LEASE_SECONDS", 60, least=1)
LEASE_RENEW_SECONDS = LEASE_SECONDS / 6
# How many jobs run at the same time, on all workers and on one instance's host; 0 is no limit.
MAX_JOBS = number("MOORING_MAX_JOBS", 0)
MAX_JOBS_PER_HOST = number("MOORING_MAX_JOBS_PER_HOST", 0)
# A pending job is sent to the workers again if none has claimed it after this long.
WAKE_AGAIN_SECONDS = 30
# Rules look back for 90 days: what they ask about must be there.
HISTORY_DAYS = number("MOORING_HISTORY_DAYS", 400, least=100)
# No byte and no log line for this long means stalled. There is no overall time-out.
STALL_SECONDS = number("MOORING_STALL_SECONDS", 900, least=1)
# The same for single stages, or an engine's sub-operations: "extract=3600, backup lock=60".
STALL_SECONDS_OF_STAGES = numbers("MOORING_STALL_SECONDS_OF_STAGES", least=1)
# If a worker has to stop before its job ends: the job fails, or is requested again as well.
ON_SHUTDOWN = choice("MOORING_ON_SHUTDOWN", "fail", "requeue")

# Restore tests restore to this folder, and remove everything afterwards.
SCRATCH_FOLDER = Path(os.environ.get("MOORING_SCRATCH") or HOME / "scratch")
# For the unlinked spool file of a clone while a repository stalls.
SPOOL_FOLDER = HOME / "spool"
# Tapes and pipes: their commands and libraries, for repositories with media:… as path.
MEDIA_FILE = Path(os.environ.get("MOORING_MEDIA_FILE") or HOME / "media.toml")
# Commands and statements around jobs, which only administrators of this host configure.
HOOKS_FILE = Path(os.environ.get("MOORING_HOOKS_FILE") or HOME / "hooks.toml")
# The mysqld that prepares and tests MySQL backups; blank: the one on the PATH.
MYSQLD = os.environ.get("MOORING_MYSQLD", "")
# The most memory for applying a redo log, of what is free; 0 is no limit.
PREPARE_MEMORY_BYTES = number("MOORING_PREPARE_MEMORY_MB", 4096) * 1024 * 1024
# Programs that open the files of a backup run as this user where we are root.
RUN_USER = os.environ.get("MOORING_RUN_USER") or "mooring"
# What opens MariaDB's encrypted files here: keys and libraries are this host's, never a backup's.
MARIADB_KEY_FILE = os.environ.get("MOORING_MARIADB_KEY_FILE", "")
MARIADB_KEY_FILE_PASSWORD = os.environ.get("MOORING_MARIADB_KEY_FILE_PASSWORD", "")
MARIADB_PLUGIN_FOLDER = os.environ.get("MOORING_MARIADB_PLUGIN_DIR", "")
COMPRESSION_LEVEL = int(os.environ.get("MOORING_COMPRESSION_LEVEL", "1"))
# Threads that compress and encrypt; default: one per core.
COPY_THREADS = number("MOORING_COPY_THREADS", 0) or len(os.sched_getaffinity(0))
# Whether what copies and compresses yields to servers; read by backups/runners/priority.py.
LOW_PRIORITY = switch("MOORING_LOW_PRIORITY", "yes")
# How long a backup may read how tables are defined, at its end; 0: it does not.
DEFINITIONS_SECONDS = number("MOORING_DEFINITIONS_SECONDS", 120)
# The most backups that go on from a full one, one from the other.
MOST_LINKS = number("MOORING_MOST_LINKS", 7)
# Where whichever is due was requested: how old the full backup of a chain may be.
AUTO_FULL_DAYS = number("MOORING_AUTO_FULL_DAYS", 7)
# Whether the database holds sample data: then every page says so.
SAMPLE_DATA = (HOME / "sample-data").exists()
# The public URL of the site, for links in notifications.
SITE_URL = site_url(os.environ, ALLOWED_HOSTS, tls=BEHIND_TLS)
# Private networks, as 10.0.0.0/8, that webhooks and other outgoing requests may reach.
OUTBOUND_NETWORKS = words("MOORING_OUTBOUND_NETWORKS", "")
# The lease of a sender of notifications: longer than any delivery takes.
MESSAGE_LEASE_SECONDS = number("MOORING_MESSAGE_LEASE_SECONDS", 120, least=1)
# The dead man's switch, pinged while all periodic tasks run; it raises the alarm when pings stop.
PING_URL = os.environ.get("MOORING_PING_URL", "")
# 0 means as fast as the engine reads.
THROTTLE_BYTES_PER_S = number("MOORING_THROTTLE_BYTES_PER_S", 0)
# How many times as long as before a backup the statements of an instance may take; 0: any.
PACE_FACTOR = number("MOORING_PACE_FACTOR", 5)
# How many seconds replication may fall behind because of a backup; 0: any.
PACE_LAG_SECONDS = number("MOORING_PACE_LAG_SECONDS", 30)
# How many times as long as at full speed a copy may take; 1 would be no pace at all.
PACE_LONGEST = number("MOORING_PACE_LONGEST", 8, least=2)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        # It logs every login, which are activity already; warnings remain.
        "axes": {"level": "WARNING"},
        # They log every request with its full URL, which may contain a secret.
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
    },
    "root": {"handlers": ["stderr"], "level": os.environ.get("MOORING_LOG_LEVEL", "INFO")},
}
