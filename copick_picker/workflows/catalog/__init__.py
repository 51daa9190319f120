"""What a project, the portal or this machine holds."""
