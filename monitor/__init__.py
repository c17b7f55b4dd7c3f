"""The site: pages, settings and the Celery application."""
