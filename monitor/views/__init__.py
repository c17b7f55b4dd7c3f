"""The pages: each view asks a selector and renders what it answers."""
