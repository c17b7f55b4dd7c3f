"""The executor: makes, proves, restores and removes backups; knows nothing of alerts or pages."""
