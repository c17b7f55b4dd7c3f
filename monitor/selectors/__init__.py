"""The data of the pages, each loaded in a constant number of queries."""
