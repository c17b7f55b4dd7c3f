"""Who is notified of an alert, when, and what keeps a notification back."""
