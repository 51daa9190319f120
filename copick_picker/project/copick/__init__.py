"""The project through copick: its runs, and what they hold."""
