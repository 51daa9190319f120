"""Contents of a project, of the portal, and facts about this machine."""
