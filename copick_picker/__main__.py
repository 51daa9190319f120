"""``python -m copick_picker`` is the console script."""

from copick_picker.cli.main import main

main()
