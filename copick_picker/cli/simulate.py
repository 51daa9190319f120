"""``copick-picker simulate``."""

from copick_picker.cli.command import LOG, VERBOSE, Flags, command


@command(
    "copick_picker.settings.simulate_command:SimulateSettings",
    "copick_picker.workflows.simulate.simulate:simulate",
    extra={"json_file": [LOG, VERBOSE]},
)
def simulate(flags: Flags) -> None:
    """Make a project of simulated tomograms with known ground truth.

    The scene defines molecules, membranes, filaments and beads in the ice, their numbers, and
    the imaging. The project holds the tomograms, a variant with little noise, picks with
    orientations for every object, and segmentations of their true extent. The same scene and
    seed give the same bytes. Repeat the command to resume.

    \b
    Examples:
      copick-picker simulate --preset tiny -o tiny
      copick-picker simulate --preset shrec-like -o train --runs 20 --seed 7 --path quick
      copick-picker simulate scene.yaml -o mine -j 2

    \b
    See also: copick-picker train, copick-picker segment, copick-picker evaluate
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
