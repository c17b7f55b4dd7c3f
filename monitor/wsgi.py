"""What gunicorn serves.

All that requests need is loaded here, once, before gunicorn forks: the processes share it, and the
first request waits for nothing.
"""

from __future__ import annotations

import gc
import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monitor.settings")
# A query that takes longer fails its page, instead of holding one of a few threads.
os.environ.setdefault("MOORING_STATEMENT_SECONDS", "20")

application = get_wsgi_application()
# The pages, and what wakes a worker.
import_module("monitor.urls")
import_module("monitor.celery")
# A collection that looked at these objects in a forked process would copy their pages.
gc.collect()
gc.freeze()
