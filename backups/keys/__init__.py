"""Which keys open the stored backups, and do they still?"""
