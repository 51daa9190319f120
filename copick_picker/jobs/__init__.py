"""What every command over the runs of a project does alike: select, resume, run, report."""
