"""A repository in a folder of another host, by SFTP.

The session is one of the program ``ssh``, which this room is given as a line of bytes; what goes
over it, SFTP version 3 with OpenSSH's extensions, is spoken here.
"""
