"""How do received binlogs get into repositories, stay there, and back into the rows?"""
