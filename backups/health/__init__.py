"""Does Mooring itself live, have its repositories room, and is every instance protected?"""
