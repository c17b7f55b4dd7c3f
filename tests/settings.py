"""The settings of the site, with keys and folders of their own and a fast password hasher."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

TEST_HOME = tempfile.mkdtemp(prefix="mooring-tests-")
atexit.register(shutil.rmtree, TEST_HOME, ignore_errors=True)
os.environ["MOORING_HOME"] = TEST_HOME
# Where collected files would be: WhiteNoise warns when it is missing.
os.mkdir(os.path.join(TEST_HOME, "static"))
os.environ["MOORING_DJANGO_KEY"] = "only-for-tests"
os.environ["MOORING_SECRET_KEY"] = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
os.environ.pop("REDIS_URL", None)

from monitor.settings import *  # noqa: E402, F403

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":  # noqa: F405
    # A file, because a job writes from several threads, as it does in earnest.
    DATABASES["default"]["TEST"] = {"NAME": f"{TEST_HOME}/test.sqlite3"}  # noqa: F405
# Most tests have no server that could be asked; those that have one switch it on.
DEFINITIONS_SECONDS = 0
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# Most tests have no instance that could be watched while it is copied; those of the pace set it.
PACE_FACTOR = PACE_LAG_SECONDS = 0
