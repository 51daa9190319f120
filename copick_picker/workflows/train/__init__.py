"""From reference picks to a model."""
