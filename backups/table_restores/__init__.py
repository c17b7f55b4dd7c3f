"""How does a table of a backup get into a running server, a folder or a file?"""
