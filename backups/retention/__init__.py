"""Which backups and history may be deleted, and why is the rest kept?"""
