"""How does a login travel and begin: TLS, what a server may ask for, settings of the session."""
