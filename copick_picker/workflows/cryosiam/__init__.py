"""CryoSiam's files as they are."""
