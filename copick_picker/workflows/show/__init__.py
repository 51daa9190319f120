"""Pictures and pages of scores and runs."""
