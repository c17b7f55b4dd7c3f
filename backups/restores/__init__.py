"""What would a restore do, where may it write, and how is the restored server configured?"""
