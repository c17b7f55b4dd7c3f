"""Which table is meant: by its name, by the name of its file, or by a pattern?"""
