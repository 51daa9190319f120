"""What the tests of worker processes give them to do; importable, so that it can be sent."""

import os
import signal
import time
from pathlib import Path

from copick_picker.errors import SettingsError
from copick_picker.jobs.placement import Place, Work
from copick_picker.jobs.reporter import Reporter
from copick_picker.records.runs import RunOutcome


class Diary:
    """Where workers note what they began, one file a beginning."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, run_name: str) -> int:
        """Note that a run was begun, and return how often it was before."""
        before = len(list(self.folder.glob(f"{run_name}.*")))
        (self.folder / f"{run_name}.{before}").write_text(f"{os.getpid()} {time.monotonic()}")
        return before

    def begun(self) -> list[str]:
        """Return the runs in the order in which they were begun."""
        moments = [
            (float(path.read_text().split()[1]), path.stem) for path in self.folder.iterdir()
        ]
        return [name for _, name in sorted(moments)]


def easy(folder: Path, place: Place, reporter: Reporter) -> Work:
    """Finish every run and say where; warn of the one called odd."""

    def work(run_name: str, halvings: int) -> RunOutcome:
        Diary(folder).begin(run_name)
        if run_name == "odd":
            reporter.warn("run odd: strange")
        if run_name == "broken":
            message = "no such data"
            raise SettingsError(message)
        details = {"pid": os.getpid(), "threads": place.threads, "halvings": halvings}
        return RunOutcome(run_name, "done", "", details)

    return work


def deadly(folder: Path, deaths: int, place: Place, reporter: Reporter) -> Work:
    """Die in the middle of the run called deadly, so many times."""
    del place, reporter

    def work(run_name: str, halvings: int) -> RunOutcome:
        if Diary(folder).begin(run_name) < deaths and run_name == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        return RunOutcome(run_name, "done", "", {"halvings": halvings})

    return work


def unable(place: Place, reporter: Reporter) -> Work:
    """Fail before the first run."""
    del place, reporter
    message = "model is missing"
    raise SettingsError(message)


def greedy(most: int, place: Place, reporter: Reporter) -> Work:
    """Segment noise with a network that has memory for so many windows, 4 at first."""
    del reporter
    import numpy as np

    from copick_picker.core.augmentations import augmentation_set
    from copick_picker.core.segment.device import use_threads
    from copick_picker.core.segment.engine import segment_volume
    from copick_picker.core.segment.plan import EngineOptions, Member
    from networks import LittleMemory, edge_sensitive

    use_threads(place.threads)
    network = LittleMemory(edge_sensitive(), most)
    member = Member(network, (8, 8, 8), 3, "zero")

    def work(run_name: str, halvings: int) -> RunOutcome:
        options = EngineOptions(
            augmentations=augmentation_set("octopi", 1),
            overlap=0.0,
            blending="constant",
            layout="aligned",
            precision="float32",
            device=place.device,
            window_batch=4 >> halvings,
            inverted=False,
        )
        network.batches.clear()
        volume = np.random.default_rng(0).normal(size=(16, 24, 8)).astype(np.float32)
        segment_volume(volume, [member], options, probabilities=False)
        return RunOutcome(run_name, "done", "", {"batches": list(network.batches)})

    return work
