"""Reference picks against candidate picks: matching and metrics."""
