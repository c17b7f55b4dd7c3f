"""Is Mooring itself running, do its repositories have space, is every instance protected?"""
