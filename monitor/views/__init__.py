"""The pages: each view loads data from a selector and renders a template."""
