"""Binary logs as bytes: received, checked, indexed, stored in pieces, and served again. No rows."""
