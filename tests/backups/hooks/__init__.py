"""Commands and statements around jobs."""
