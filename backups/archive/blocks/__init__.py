"""Which 16 KiB blocks does a backup consist of, and which backup of its chain holds each?

Every backup has a complete table of its blocks. One with a base stores only what the
table of the other does not have, and a restore takes each block from the backup that stored it.
"""
