"""From when to when can an instance be recovered, and which transactions lead to a moment?"""
