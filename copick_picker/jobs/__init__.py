"""What all commands over the runs of a project share: select, resume, run, report."""
