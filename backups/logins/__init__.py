"""How does a login travel: does TLS prove the server, and what may it ask for? Pure."""
