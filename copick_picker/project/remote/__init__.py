"""Objects of remote stores, read safely and kept."""
