"""Where packs are kept."""
