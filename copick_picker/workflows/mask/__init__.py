"""Making masks for other commands."""
