"""What the CryoET Data Portal says of itself."""
