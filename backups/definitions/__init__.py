"""How is each schema, table, view, routine, trigger and event of an instance defined?

Read over SQL while a backup is taken, kept in it as a file, and read from there without a server.
"""
