"""Pure array code: numpy and torch in, numpy and records out."""
