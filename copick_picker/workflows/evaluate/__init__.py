"""Candidate picks against reference picks."""
