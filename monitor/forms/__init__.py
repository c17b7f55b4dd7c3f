"""The forms of the site, one module each."""
