"""Suites, comparisons and the demo."""
