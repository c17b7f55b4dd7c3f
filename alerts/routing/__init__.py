"""Which channels are notified of an alert, when, and what holds a notification back."""
