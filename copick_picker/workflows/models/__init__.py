"""Models: load, run, show, convert."""
