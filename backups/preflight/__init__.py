"""May a backup start? Facts first, then checks, each with its hint."""
