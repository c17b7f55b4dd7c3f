"""From facts to findings to alerts: which alerts are open now, and why."""
