"""May a backup begin? Facts first, then checks, each with its hint."""
