"""How long tests wait for another process: no test depends on how fast the machine is."""

HANG_SECONDS = 1800.0
"""A wait that lasts so long is taken for a hang. Tests wait for what is to happen, not for a time;
this only keeps a broken one from running for ever."""
