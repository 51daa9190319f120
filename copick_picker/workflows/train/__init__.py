"""Reference picks to a model."""
