"""How much may be held at once while tomograms are segmented."""

KEPT_BYTES = 2**28
"""A tomogram up to this size is read once and kept until it is segmented; a larger one is read
twice, in layers of whole chunks."""
LAYER_BYTES = 2**30
"""Such a layer may be this large; where a layer of chunks is larger, chunks are read more often."""
SUMS_BYTES = 2**32
"""Sums over windows are float32 up to this size, and float16 beyond."""
QUEUED_BYTES = 2**28
"""Results that may wait until they are written."""
