"""The page docs/performance.md, from the figures of bench.py."""

from collections.abc import Mapping, Sequence
from typing import Any

Figures = Mapping[str, Any]
MODES = ("exact", "balanced", "fast")
TRANSFORMS = {"exact": "4", "balanced": "4", "fast": "2 (mean and least)"}


def page(figures: Figures) -> str:
    """Return the page in Markdown."""
    parts = [
        head(figures),
        modes(figures),
        targets(figures),
        roofline(figures),
        monai(figures),
        localize(figures),
        rest(figures),
        growth(figures),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def start(figures: Figures) -> float:
    """Return CPU-seconds of the command before it segments, and after."""
    fast = figures["fast"]
    return max(fast["single"]["cpu_seconds"] - fast["steady_cpu_seconds"], 0.0)


def steady(figures: Figures, mode: str) -> float:
    """Return CPU-seconds of one more tomogram."""
    found = figures[mode]
    known: float | None = found.get("steady_cpu_seconds")
    return found["single"]["cpu_seconds"] - start(figures) if known is None else known


def head(figures: Figures) -> str:
    machine = figures["machine"]
    z, y, x = machine["shape_zyx"]
    loads = [entry["load"] for entry in figures.values() if "load" in entry]
    paces = [pace for entry in figures.values() for pace in entry.get("pace", ())]
    quiet = (
        f"A matrix product ran at {min(paces):.0f} to {max(paces):.0f} GFLOP a CPU-second before"
        " and after the\nmeasures; a busy neighbour lowers that, and every figure with it. "
        if paces
        else ""
    )
    commits = sorted({entry["commit"] for entry in figures.values() if "commit" in entry})
    gpu = (
        f"It has the GPU {machine['gpu']}, which this page does not use."
        if machine["gpu"]
        else "It has no GPU: there is no page of GPU figures, and nothing is claimed about one."
    )
    return f"""# Performance

Every figure of this page is measured by one command, which makes the environment of the peers where
it is missing and goes on where it was interrupted:

    make bench

The same figures stand in `performance.json`. Machine: {machine["processor"]}, {machine["cores"]}
cores, {machine["capability"]}, {machine["system"]}. {gpu} Versions: copick-picker
{machine["copick_picker"]} at commit {", ".join(commits)}, octopi {figures["octopi"]["version"]},
torch {machine["torch"]}, MONAI {machine["monai"]}, copick {machine["copick"]}, Python
{machine["python"]}. Everything but F1 is measured on noise with balls and on networks that were
never trained (seed {machine["seed"]}); F1 is measured on simulated tomograms.

Both sides compute on {machine["threads"]} thread, as waiting threads burn CPU-seconds on a shared
machine (its load before the measures: {min(loads):g} to {max(loads):g}). Figures are
CPU-seconds of the whole process. {quiet}The tomogram has {z} x {y} x {x} voxels; the
network is octopi's Unet with channels 48, 64, 80, 80, strides 2, 2, 1, windows of
{machine["window"]} voxels and five classes."""


def modes(figures: Figures) -> str:
    octopi = figures["octopi"]
    their_all = octopi["start_cpu_seconds"] + octopi["segment_cpu_seconds"]
    peak = octopi.get("peak_mib")
    their_memory = f"{peak:.0f} MiB" if peak else "n/a"
    rows = [
        [
            "octopi",
            f"{octopi['segment_cpu_seconds']:.0f} s",
            "1",
            f"{their_all:.0f} s",
            "1",
            their_memory,
            "4",
            "",
            "",
        ]
    ]
    simulated = figures["f1"]["modes"]
    for mode in MODES:
        single = figures[mode]["single"]
        found = simulated[mode]
        low, high = found["interval"]
        agreed = f"{found['labels_as_exact']:.2%}"
        change = f"{found['difference']:+.4f} ({low:+.4f} to {high:+.4f})"
        rows.append(
            [
                f"`{mode}`",
                f"{steady(figures, mode):.0f} s",
                f"{octopi['segment_cpu_seconds'] / steady(figures, mode):.1f}",
                f"{single['cpu_seconds']:.0f} s",
                f"{their_all / single['cpu_seconds']:.1f}",
                f"{single['peak_mib']:.0f} MiB",
                TRANSFORMS[mode],
                "" if mode == "exact" else agreed,
                f"{found['macro_f1']:.4f}" if mode == "exact" else change,
            ]
        )
    heads = ["", "a tomogram", "times faster", "one alone, all-in", "times faster", "peak memory"]
    heads += ["transforms a voxel", "labels as exact", "macro F1, or its change"]
    one = figures["f1"]
    equal = figures["agreement"]["octopi exact"]
    return f"""## The three modes

{table(heads, rows)}

*A tomogram* is one more tomogram of a project (steady state): the command over two tomograms less
the command over one; `exact` and octopi ran over one, less their start. Our start is
{start(figures):.1f} CPU-seconds. Nothing is compiled, so there is no compile time.

`exact` gives octopi's label in {equal:.4%} of the voxels of this tomogram; with fixed networks of
four architectures it differs at near ties alone (`tests/regression/test_octopi_models.py`).

Labels and F1 are those of the shipped model `simulated-10a` on {one["tomograms"]} simulated
tomograms with {one["particles"]} particles that it never saw: one to one within half a radius,
macro average over five objects; the change to `exact` with its 95 % interval, paired over tomograms
(`tests/benchmarks/modes_f1.py`)."""


def verdict(value: float, target: float) -> str:
    return "met" if value >= target else "**not met**"


def targets(figures: Figures) -> str:
    octopi = figures["octopi"]
    theirs = octopi["segment_cpu_seconds"]
    their_all = octopi["start_cpu_seconds"] + theirs
    wanted = [("exact", 1.8, None), ("balanced", 12.0, 8.0), ("fast", 40.0, 15.0)]
    rows = []
    for mode, least, alone in wanted:
        ratio = theirs / steady(figures, mode)
        rows.append([f"`{mode}`", f"{least:g} x", f"{ratio:.1f} x", verdict(ratio, least)])
        if alone is not None:
            ratio = their_all / figures[mode]["single"]["cpu_seconds"]
            line = [f"`{mode}`, one alone", f"{alone:g} x", f"{ratio:.1f} x"]
            rows.append([*line, verdict(ratio, alone)])
    for mode in MODES[1:]:
        low, high = figures["f1"]["modes"][mode]["interval"]
        inside = low >= -0.01 and high <= 0.01
        line = [f"`{mode}`, change of F1", "within 0.01", f"{low:+.4f} to {high:+.4f}"]
        rows.append([*line, "met" if inside else "**not met**"])
    found = figures["roofline"]
    floor = found["least_at_peak_cpu_seconds"]
    z, y, x = figures["machine"]["shape_zyx"]
    windows = z * y * x / figures["machine"]["window"] ** 3
    return f"""## Targets

{table(["", "target", "measured", ""], rows)}

Every figure has the commit and the load it was measured at in `performance.json`; octopi's run is
made once and kept.

Why the rest cannot be had on this machine: with direct convolutions a forward pass over one window
takes at least {floor:.2f} CPU-seconds here, at the full speed of matrix products (below). A
tomogram is {windows:.1f} windows by volume. Two transforms at every voxel are then
{2 * windows:.0f} passes, {2 * windows * floor:.0f} CPU-seconds, and four are
{4 * windows:.0f} passes,
{4 * windows * floor:.0f} CPU-seconds: {theirs / (2 * windows * floor):.0f} and
{theirs / (4 * windows * floor):.0f} times octopi's pace if nothing else took any time. `fast` with
four transforms a voxel would cost what `balanced` costs. The targets were set on a machine with
matrix units for bfloat16, where half precision alone gives a factor of four; this processor has
none, and computes bfloat16 slower than float32."""


def roofline(figures: Figures) -> str:
    found = figures["roofline"]
    peaks, seconds = found["matrix_gflop_per_cpu_second"], found["forward_cpu_seconds"]
    shares = found["share_of_float32_peak"]
    work = found["forward_gflop"]
    rows = [
        ["matrix product, float32", "", f"{peaks['float32']:.1f}", ""],
        ["matrix product, bfloat16", "", f"{peaks['bfloat16']:.1f}", ""],
    ]
    rows += [
        [
            f"forward pass, {name}",
            f"{seconds[key]:.3f} s",
            f"{work / seconds[key]:.1f}",
            f"{shares[key]:.0%}",
        ]
        for name, key in (("torch as it is", "torch"), ("as `segment` runs it", "prepared"))
    ]
    half = seconds["torch_bfloat16"]
    if half is not None:
        rows.append(["forward pass, bfloat16", f"{half:.3f} s", f"{work / half:.1f}", ""])
    heads = ["one window", "CPU-seconds", "GFLOP a CPU-second", "of the float32 peak"]
    return f"""## Roofline

{table(heads, rows)}

A forward pass over one window is {work:.1f} GFLOP of direct convolutions. What `segment` does to a
network before it runs it (`core/segment/prepared.py`) changes logits by
{found["largest_difference_of_logits"]:.0e} at most:

* convolutions of 3 x 3 x 3 with 24 channels or more take an eighth of the multiplications
  (Winograd), and reach beyond the share that direct ones could;
* channels lie innermost, instance norm and PReLU are two steps without copies;
* transposed convolutions of stride 1 become plain ones, batch norms go into the weights;
* all convolutions go to oneDNN: torch sends small ones to a path three times slower;
* freed memory is kept by the process: mapping it anew was a tenth of the time;
* windows go through one by one: a batch of four costs cache on a CPU.

Tried without gain here: compiling the whole network (23 s of start for less than these steps
give), batches of windows, bfloat16, torch's own group norm with channels innermost (fast, but its
sums lose digits that labels show), merging two convolutions of one input."""


def monai(figures: Figures) -> str:
    found = figures["monai"]
    shape = " x ".join(str(side) for side in found["shape_zyx"])
    ratio = found["monai_cpu_seconds"] / found["ours_cpu_seconds"]
    rows = [
        ["MONAI", f"{found['monai_cpu_seconds']:.1f} s", ""],
        ["copick-picker", f"{found['ours_cpu_seconds']:.1f} s", f"{ratio:.2f} x"],
    ]
    return f"""## MONAI's sliding windows

The same network, windows and overlap of one half, one transform, on {shape} voxels in memory;
labels are equal in {found["labels_equal"]:.4%} of the voxels.

{table(["", "CPU-seconds", ""], rows)}"""


def localize(figures: Figures) -> str:
    found = figures["localize"]
    both = found["beside_octopi"]
    ratios = both.get("ratios", {})
    rows = []
    for name, side in (("octopi", both.get("octopi")), ("copick-picker", both["ours"])):
        if side is not None:
            single = side["single_run"]
            rows.append(
                [
                    name,
                    f"{side['steady_cpu_seconds_a_run']:.2f} s",
                    f"{single['cpu_seconds']:.1f} s",
                    f"{single['peak_mib']:.0f} MiB",
                    f"{side['f1']:.4f}",
                ]
            )
    if ratios:
        cells = [ratios["steady"], ratios["single_run_cpu_seconds"], ratios["single_run_peak_mib"]]
        rows.append(["ratio", *(f"{value:.1f} x" for value in cells), ""])
    many = found["many_particles"]
    grown = [
        [f"{row['voxels'] / 1e6:.0f} million", str(row["picks"]), f"{row['cpu_seconds']:.2f} s"]
        for row in found["growth"]
    ]
    shape = " x ".join(str(side) for side in found["shape_zyx"])
    heads = ["", "a further run", "one run, all-in", "memory of the processes", "F1"]
    return f"""## localize

`watershed` on {found["particles"]} particles of four objects in {shape} voxels
(`tests/benchmarks/localize_speed.py`).

{table(heads, rows)}

{many["picks"]} particles in one volume of {many["voxels"] / 1e6:.0f} million voxels:
{many["cpu_seconds"]:.1f} CPU-seconds. Against the voxels, at equal density:

{table(["voxels", "picks", "CPU-seconds"], grown)}"""


def rest(figures: Figures) -> str:
    matching = [[name, f"{value:.2f} s"] for name, value in figures["matching"]["seconds"].items()]
    starts = [
        [f"`{name}`" if name.startswith("copick") else name, f"{value:.2f} s"]
        for name, value in figures["start_up"].items()
        if isinstance(value, float) and name != "load"
    ]
    return f"""## evaluate

100,000 reference with 100,000 candidate picks, arrays in memory
(`tests/benchmarks/test_matching_speed.py`), wall time:

{table(["test", "least"], matching)}

## Start-up

Median wall time of fresh interpreters:

{table(["", ""], starts)}"""


def growth(figures: Figures) -> str:
    found = figures["growth"]
    rows = [
        [
            row["against"],
            f"{row['depth']} x {found['side']} x {found['side']}",
            str(row["classes"]),
            f"{row['seconds']:.0f} s",
            f"{row['peak_mib']} MiB",
        ]
        for row in found["rows"]
    ]
    return f"""## Growth

The whole command `segment` with a thin network (`tests/benchmarks/memory.py`), one transform; wall
time and peak memory against depth and classes. Time against runs is the steady figure above.
Tomograms of up to 256 MiB stay in memory between the two readings, so the peak grows by that much.
For larger ones it is to stay within 10 % when the depth doubles: compare the two deepest.

{table(["against", "voxels", "classes", "wall time", "peak memory"], rows)}"""
