"""Checked settings of every command; scientific defaults stand here and nowhere else."""
