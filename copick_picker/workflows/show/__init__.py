"""Figures and pages of scores and runs."""
