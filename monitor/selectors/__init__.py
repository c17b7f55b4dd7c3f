"""Every read query of the pages, each in a constant number of queries."""
