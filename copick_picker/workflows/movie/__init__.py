"""Commands on movies of moving puncta; no other workflow imports this package."""
