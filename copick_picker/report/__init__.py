"""Scores to tables, plots and pages."""
