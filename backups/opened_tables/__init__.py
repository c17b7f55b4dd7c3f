"""How are a few tables of a backup opened in a private server of our own?"""
