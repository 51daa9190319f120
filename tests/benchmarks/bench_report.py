"""The page docs/performance.md, from the figures of bench.py."""

from collections.abc import Mapping, Sequence
from typing import Any

Figures = Mapping[str, Any]
MODES = ("exact", "balanced", "fast")
TRANSFORMS = {"exact": "4", "balanced": "4", "fast": "2 (mean and minimum)"}


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
        f"A matrix product ran at {min(paces):.0f} to {max(paces):.0f} GFLOP per CPU-second before"
        " and after the\nmeasurements; a busy neighbour lowers that, and every other figure. "
        if paces
        else ""
    )
    commits = sorted({entry["commit"] for entry in figures.values() if "commit" in entry})
    gpu = (
        f"It has the GPU {machine['gpu']}, which this page does not use."
        if machine["gpu"]
        else "It has no GPU, so this page makes no claims about GPUs."
    )
    return f"""# Performance

One command measures every figure on this page. It sets up the other programs' environment if
necessary, and resumes after an interruption:

    make bench

`performance.json` holds the same figures. Machine: {machine["processor"]}, {machine["cores"]}
cores, {machine["capability"]}, {machine["system"]}. {gpu} Versions: copick-picker
{machine["copick_picker"]} at commit {", ".join(commits)}, octopi {figures["octopi"]["version"]},
torch {machine["torch"]}, MONAI {machine["monai"]}, copick {machine["copick"]}, Python
{machine["python"]}. F1 is measured on simulated tomograms, everything else on noise with spheres
and with untrained networks (seed {machine["seed"]}).

Both sides use {machine["threads"]} thread, because waiting threads burn CPU-seconds on a shared
machine (load before the measurements: {min(loads):g} to {max(loads):g}). Figures are
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
    heads = ["", "per tomogram", "speed-up", "single tomogram, total", "speed-up", "peak memory"]
    heads += ["augmentations per voxel", "labels equal to exact", "macro F1, or its change"]
    one = figures["f1"]
    equal = figures["agreement"]["octopi exact"]
    return f"""## The three modes

{table(heads, rows)}

*Per tomogram* is the cost of each further tomogram (steady state): two tomograms minus one. `exact`
and octopi processed one, minus their startup. Our startup takes {start(figures):.1f} CPU-seconds.
Nothing is compiled, so there is no compile time.

`exact` gives octopi's label in {equal:.4%} of the voxels of this tomogram. With fixed networks of
four architectures, they differ only at near ties (`tests/regression/test_octopi_models.py`).

Labels and F1 are those of the shipped model `simulated-10a` on {one["tomograms"]} simulated
tomograms with {one["particles"]} particles, unseen in training. F1 is one-to-one within half a
radius, macro-averaged over five objects; its change relative to `exact` has a 95 % interval, paired
over tomograms (`tests/benchmarks/modes_f1.py`)."""


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
            line = [f"`{mode}`, single tomogram", f"{alone:g} x", f"{ratio:.1f} x"]
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

`performance.json` gives the commit and load of every measurement. octopi is measured once and the
result kept.

The remaining target is out of reach on this machine. With direct convolutions, a forward pass over
one window takes at least {floor:.2f} CPU-seconds here, at the full speed of matrix products
(below). A tomogram is {windows:.1f} windows by volume. Two augmentations per voxel are then
{2 * windows:.0f} passes, {2 * windows * floor:.0f} CPU-seconds, and four are
{4 * windows:.0f} passes, {4 * windows * floor:.0f} CPU-seconds:
{theirs / (2 * windows * floor):.0f} and {theirs / (4 * windows * floor):.0f} times octopi's speed
if nothing else took any time. `fast` with four augmentations per voxel would cost as much as
`balanced`. The targets were set on a machine with matrix units for bfloat16, where half precision
alone gives a factor of four; this processor has none, and is slower in bfloat16 than in
float32."""


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
        for name, key in (("plain torch", "torch"), ("in `segment`", "prepared"))
    ]
    half = seconds["torch_bfloat16"]
    if half is not None:
        rows.append(["forward pass, bfloat16", f"{half:.3f} s", f"{work / half:.1f}", ""])
    heads = ["one window", "CPU-seconds", "GFLOP per CPU-second", "of the float32 peak"]
    return f"""## Roofline

{table(heads, rows)}

A forward pass over one window is {work:.1f} GFLOP of direct convolutions. `segment` optimises the
network before running it (`core/segment/prepared.py`), which changes logits by at most
{found["largest_difference_of_logits"]:.0e}:

* 3 x 3 x 3 convolutions with 24 channels or more need an eighth of the multiplications (Winograd),
  which takes them beyond the limit of direct ones;
* channels are innermost; instance norm and PReLU are two steps without copies;
* transposed convolutions of stride 1 become plain ones; batch norms are folded into the weights;
* all convolutions use oneDNN, because torch sends small ones to a path three times slower;
* the process keeps freed memory, because mapping it again took a tenth of the time;
* windows are processed one by one, because a batch of four overflows the cache of a CPU.

These brought no gain here: compiling the whole network (23 s of startup, for less than the steps
above), batches of windows, bfloat16, torch's own group norm with channels innermost (fast, but its
sums lose enough precision to change labels), merging two convolutions of one input."""


def monai(figures: Figures) -> str:
    found = figures["monai"]
    shape = " x ".join(str(side) for side in found["shape_zyx"])
    ratio = found["monai_cpu_seconds"] / found["ours_cpu_seconds"]
    rows = [
        ["MONAI", f"{found['monai_cpu_seconds']:.1f} s", ""],
        ["copick-picker", f"{found['ours_cpu_seconds']:.1f} s", f"{ratio:.2f} x"],
    ]
    return f"""## MONAI's sliding windows

The same network, windows and overlap (one half), without augmentation, on {shape} voxels in memory.
Labels agree in {found["labels_equal"]:.4%} of the voxels.

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
    heads = ["", "each further run", "single run, total", "memory of the processes", "F1"]
    return f"""## localize

`watershed` on {found["particles"]} particles of four objects in {shape} voxels
(`tests/benchmarks/localize_speed.py`).

{table(heads, rows)}

{many["picks"]} particles in one volume of {many["voxels"] / 1e6:.0f} million voxels:
{many["cpu_seconds"]:.1f} CPU-seconds. By number of voxels, at equal density:

{table(["voxels", "picks", "CPU-seconds"], grown)}"""


def rest(figures: Figures) -> str:
    matching = [[name, f"{value:.2f} s"] for name, value in figures["matching"]["seconds"].items()]
    starts = [
        [f"`{name}`" if name.startswith("copick") else name, f"{value:.2f} s"]
        for name, value in figures["start_up"].items()
        if isinstance(value, float) and name != "load"
    ]
    return f"""## evaluate

100,000 reference picks and 100,000 candidate picks, with arrays in memory
(`tests/benchmarks/test_matching_speed.py`), wall time:

{table(["test", "minimum"], matching)}

## Startup

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

Wall time and peak memory of the whole `segment` command by depth and classes, with a thin network
(`tests/benchmarks/memory.py`) and no augmentation. The time for further runs is the steady-state
figure above. Tomograms of up to 256 MiB stay in memory between the two readings, so the peak grows
by that much. For larger ones, the target is at most 10 % more when the depth doubles: compare the
two deepest.

{table(["by", "voxels", "classes", "wall time", "peak memory"], rows)}"""
