"""Plain records that every layer may use: keys, points, runs, scores."""
