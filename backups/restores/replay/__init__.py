"""How do archived transactions get onto a restored copy, up to exactly the one that was chosen?"""
