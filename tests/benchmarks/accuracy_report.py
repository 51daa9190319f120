"""The page docs/accuracy.md, from the figures of accuracy.py."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench_report import table

Figures = Mapping[str, Any]
METHODS = {"ours": "copick-picker", "octopi": "octopi", "matching": "template matching"}
VOXEL_ANGSTROM = 10.0
VOXEL_TARGET = 0.6
PEER_BATCH, PEER_WARMUP_EPOCHS = 16, 5


def page(figures: Figures) -> str:
    """Return the page in Markdown."""
    parts = [head(figures)]
    if figures["seeds"]:
        parts += [
            macro(figures),
            targets(figures),
            objects(figures),
            curves(figures),
            methods(figures),
        ]
    if figures["real"] is not None:
        parts.append(real(figures))
    parts.append(limits(figures))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def filled(text: str) -> str:
    """Return a paragraph in lines of at most 100 characters."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > 100:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def text_of(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def steps_of(figures: Figures) -> list[dict[str, Any]]:
    """Return every step that was measured."""
    found: list[dict[str, Any]] = []
    for seed in figures["seeds"].values():
        found += seed["simulate"]
        found += [seed[method][step] for method in METHODS for step in seed[method] if step in USED]
    return found


USED = ("train", "use")


def head(figures: Figures) -> str:
    machine, seeds = figures["machine"], figures["seeds"]
    steps = steps_of(figures)
    commits = sorted({step["commit"] for step in steps})
    loads = [value for step in steps for value in step["load"]]
    count = f"{len(seeds)} seed{'' if len(seeds) == 1 else 's'} ({', '.join(seeds)})"
    where = (
        f"{count} {'is' if len(seeds) == 1 else 'are'} complete, measured at commit "
        f"{', '.join(commits)} at a load of {min(loads):.1f} to {max(loads):.1f}."
        if seeds
        else "No seed is complete yet."
    )
    about = filled(
        "How well a model trained with the default recipe finds particles, compared with octopi's "
        "recipe and with template matching using the true structures. **Everything except the "
        "last table is measured on simulated tomograms**, and does not predict how any of the "
        "three performs on a real specimen. One command measures everything and resumes after an "
        "interruption:"
    )
    facts = filled(
        f"`accuracy.json` holds the same figures, and those of every run. {where} Machine: "
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, no GPU used. "
        f"copick-picker {machine['copick_picker']}, octopi {machine['octopi']}, torch "
        f"{machine['torch']}, MONAI {machine['monai']}, copick {machine['copick']}, Python "
        f"{machine['python']}."
    )
    return f"""# Accuracy

{about}

    make accuracy

{facts}

These figures come from:

    {command_of(figures["sizes"])}"""


def command_of(sizes: Figures) -> str:
    """Return the command line that gives the sizes."""
    words = ["python tests/benchmarks/accuracy.py", f"--minutes {sizes['minutes']:g}"]
    words += [f"--shape {sizes['shape']}", f"--runs {','.join(map(str, sizes['runs']))}"]
    words += [f"--peer-batch {sizes['peer_batch']}"]
    words += [f"--templates {','.join(str(group['most']) for group in sizes['groups'])}"]
    return " ".join([*words, f"--real-minutes {sizes['real_minutes']:g}"])


def error_of(scores: Figures) -> float | None:
    """Return the mean error in Angstrom, over the objects of which something was found."""
    return mean(entry["error_angstrom"] for entry in scores["objects"].values())


def macro(figures: Figures) -> str:
    rows = []
    for number, seed in figures["seeds"].items():
        for method, name in METHODS.items():
            scores = seed[method]["scores"]
            entries = scores["objects"].values()
            values = [mean(entry[key] for entry in entries) for key in ("f1", "f4", "recall")]
            error = error_of(scores)
            voxels = None if error is None else error / VOXEL_ANGSTROM
            cells = [text_of(value) for value in values]
            rows.append([number, name, *cells, text_of(error, 1), text_of(voxels, 2)])
    heads = ["seed", "", "F1", "F4", "recall", "error (A)", "error (voxels)"]
    differences = []
    for number, seed in figures["seeds"].items():
        for peer in ("octopi", "matching"):
            found = seed["compared"][peer]
            cells = [interval_text(found[rate]) for rate in ("f1", "f4", "recall")]
            differences.append([number, f"copick-picker minus {METHODS[peer]}", *cells])
    note = filled(
        "Means over all objects, on test tomograms unseen by all methods. Hits are one-to-one "
        "within half the object's radius. The error is that of hits, over objects that have any. "
        "The second table gives differences paired by test run, with 95 % intervals from 10,000 "
        "bootstrap replicates over runs."
    )
    return f"""## The macro average

{note}

{table(heads, rows)}

{table(["seed", "", "F1", "F4", "recall"], differences)}"""


def interval_text(entry: Figures) -> str:
    if entry["difference"] is None:
        return "-"
    text = f"{entry['difference']:+.3f}"
    if entry["interval"] is None:
        return text
    low, high = entry["interval"]
    return f"{text} ({low:+.3f} to {high:+.3f})"


def is_above(found: Figures, rate: str) -> bool:
    """Return whether an interval lies above 0."""
    entry = found.get(rate)
    return bool(entry and entry["interval"] is not None and entry["interval"][0] > 0)


def targets(figures: Figures) -> str:
    seeds = figures["seeds"]
    rows = []
    for peer, what in (
        ("octopi", "F1 and F4 above octopi's at the same wall time, interval above 0"),
        ("matching_small", "F1 and F4 above template matching on objects under 1 MDa that either "
         "finds (F1 of 0.1), interval above 0"),
    ):  # fmt: skip
        above = [
            number
            for number, seed in seeds.items()
            if all(is_above(seed["compared"][peer], rate) for rate in ("f1", "f4"))
        ]
        rows.append([what, seeds_text(above, seeds), verdict(len(above), figures)])
    near = [
        number
        for number, seed in seeds.items()
        if (error_of(seed["ours"]["scores"]) or 1e9) <= VOXEL_TARGET * VOXEL_ANGSTROM
    ]
    rows.append(["error of the hits at most 0.6 voxels", seeds_text(near, seeds)])
    rows[-1].append(verdict(len(near), figures))
    small = [
        [
            number,
            str(len(seed["compared"]["small"])),
            *(
                interval_text(seed["compared"]["matching_small"][rate])
                if seed["compared"]["matching_small"]
                else "-"
                for rate in ("f1", "f4")
            ),
        ]
        for number, seed in seeds.items()
    ]
    return f"""## Targets

{table(["target", "reached in seeds", ""], rows)}

copick-picker minus template matching, for objects under 1 MDa that either method finds:

{table(["seed", "objects", "F1", "F4"], small)}"""


def seeds_text(chosen: Sequence[str], seeds: Figures) -> str:
    return f"{', '.join(chosen) or 'none'} of {', '.join(seeds)}"


def verdict(count: int, figures: Figures) -> str:
    """Return whether a target of three seeds is met."""
    done = len(figures["seeds"])
    if count == done and done >= 3:
        return "met"
    return "**not met**" if count < done else "met in the seeds there are, of three"


def objects(figures: Figures) -> str:
    seeds = list(figures["seeds"].values())
    matched = seeds[0]["matching"]["use"]["objects"]
    rows = []
    for name in sorted(matched, key=lambda name: matched[name]["mass_kda"]):
        entries = {
            method: [seed[method]["scores"]["objects"][name] for seed in seeds]
            for method in METHODS
        }
        particles = sum(entry["reference"] for entry in entries["ours"])
        row = [name, f"{matched[name]['mass_kda']:.0f}", str(particles)]
        row += [
            " / ".join(text_of(mean(e[key] for e in entries[method]), 2) for method in METHODS)
            for key in ("f1", "f4", "recall")
        ]
        errors = [mean(e["error_angstrom"] for e in entries[method]) for method in METHODS]
        row.append(" / ".join(text_of(error, 1) for error in errors))
        rows.append(row)
    heads = ["object", "kDa", "particles", "F1", "F4", "recall", "error (A)"]
    return f"""## Object by object

copick-picker / octopi / template matching; means over the seeds.

{table(heads, rows)}"""


def curves(figures: Figures) -> str:
    rows, peer_rows = [], []
    for number, seed in figures["seeds"].items():
        ours, theirs = seed["ours"]["train"], seed["octopi"]["train"]
        for step, seconds, loss, score in ours["curve"]:
            cells = [f"{seconds / 60:.1f}", str(step), text_of(loss), text_of(score)]
            rows.append([number, *cells])
        found = dict(theirs["voxel_f1"])
        per_epoch = theirs["steps"] // max(1, theirs["epochs"])
        for epoch, (seconds, loss) in enumerate(theirs["losses"], start=1):
            if epoch in found:
                cells = [f"{seconds / 60:.1f}", str(epoch * per_epoch), text_of(loss)]
                peer_rows.append([number, *cells, text_of(found[epoch])])
    first = next(iter(figures["seeds"].values()))["octopi"]["train"]
    about = filled(
        f"Both trainings had {figures['sizes']['minutes']:g} minutes of wall time, "
        f"simultaneously on one machine, with one thread each. {shared(figures)} **octopi is "
        "under-trained**: its recipe is made for a GPU and 1,000 epochs, and here it completed "
        f"{first['epochs']} ({first['steps']} steps of {first['batch_size']} patches of "
        f"{figures['sizes']['peer_window']}^3 voxels{fewer(first['batch_size'])}). "
        f"{warming(first['epochs'])} Only complete epochs count: they took {times(figures)} "
        "minutes, including validation. These figures do not show what octopi reaches with a GPU "
        "and its full schedule. Ours is validated by F1 of picks at each object's best "
        "threshold; octopi by its own measure, F1 of voxels. The two columns are not comparable."
    )
    return f"""## Learning curves

{about}

copick-picker:

{table(["seed", "minutes", "steps", "loss", "F1 of picks"], rows)}

octopi (minutes without validation):

{table(["seed", "minutes", "steps", "loss", "F1 of voxels"], peer_rows)}"""


def shared(figures: Figures) -> str:
    """Return how much of the time the processor was theirs."""
    seeds = list(figures["seeds"].values())
    shares = {
        method: mean(
            seed[method]["train"]["cpu_seconds"] / seed[method]["train"]["wall_seconds"]
            for seed in seeds
        )
        or 0.0
        for method in ("ours", "octopi")
    }
    if min(shares.values()) > 0.9:
        return ""
    return (
        f"The machine was shared with other work: copick-picker had {shares['ours']:.0%} of a "
        f"core, octopi {shares['octopi']:.0%}."
    )


def times(figures: Figures) -> str:
    """Return the minutes of octopi's trainings."""
    seconds = [seed["octopi"]["train"]["train_seconds"] for seed in figures["seeds"].values()]
    return ", ".join(f"{value / 60:.1f}" for value in seconds)


def warming(epochs: int) -> str:
    """Return that octopi's learning rate was still rising, where it was."""
    if epochs > PEER_WARMUP_EPOCHS:
        return ""
    return f"Its warm-up alone takes {PEER_WARMUP_EPOCHS} epochs."


def fewer(batch_size: int) -> str:
    """Return why octopi's steps are smaller than its own default."""
    if batch_size >= PEER_BATCH:
        return ""
    return f"; its default of {PEER_BATCH} patches would give it fewer steps"


def methods(figures: Figures) -> str:
    sizes = figures["sizes"]
    z, y, x = sizes["shape"].split(",")
    training, validation, test = sizes["runs"]
    seeds = list(figures["seeds"].values())
    matching = [seed["matching"]["use"] for seed in seeds]
    rows = [
        [
            name,
            f"{entry['spacing_angstrom']:g} A",
            f"{entry['step_degrees']:.0f} degrees",
            str(entry["templates"]),
            f"{entry['least_resemblance']:.2f}",
        ]
        for name, entry in matching[0]["objects"].items()
    ]
    cpu = [
        [
            number,
            minutes_text(seed["ours"]["train"]),
            minutes_text(seed["octopi"]["train"]),
            minutes_text(seed["ours"]["use"]["segment"], seed["ours"]["use"]["localize"]),
            minutes_text(seed["octopi"]["use"]),
            minutes_text(seed["matching"]["use"]),
        ]
        for number, seed in figures["seeds"].items()
    ]
    sessions = [seed["matching"]["scores"]["validation"]["session"] for seed in seeds]
    competing = sessions.count("competing")
    chosen = f"they compete in {competing} of {len(sessions)} seeds"
    volume = (
        f"The preset `{sizes['preset']}` at {z} x {y} x {x} voxels of {VOXEL_ANGSTROM:g} A: "
        f"{training} training, {validation} validation and {test} test tomograms per seed. "
        "Training and test projects have different seeds, and ice, defocus, dose and noise are "
        "drawn for every tomogram."
    )
    ours = (
        "`train` with default settings, `segment` (mode `balanced`), `localize` with the model's "
        "thresholds, chosen on the validation tomograms."
    )
    if "remark" in figures:  # written by hand into the figures: what changed since
        ours += f" {figures['remark']}"
    octopi = (
        "its own targets (0.7 radii), `train`, `segment` with four augmentations and `localize`, "
        "with the defaults of its command line except as stated above. Its check for a GPU is "
        "bypassed. The number of epochs is fitted to the time with a few steps that are timed "
        "first and not counted. With fewer than 40 epochs, it validates more often than every 10. "
        "It gives no scores, so there is no threshold to choose. Our `evaluate` scores its picks."
    )
    matched = (
        "the true structures, with the scene's mean contrast transfer, radiation damage and "
        "missing wedge; local normalised cross-correlation in a sphere, with whitened tomograms "
        "and templates. Orientations whose template resembles one already kept are left out, "
        "which gives the numbers below; every orientation resembles a kept one at least as "
        "stated. Peaks are at least one radius apart. The validation tomograms set the score "
        "thresholds, by the highest F1, and whether picks of different objects compete for a "
        f"position (by z-score): {chosen}. If the resemblance is low, there are fewer templates "
        "than the object's size requires, and more might find more particles."
    )
    return f"""## Methods

{filled(volume)}

{filled("**copick-picker**: " + ours)}

{filled("**octopi**: " + octopi)}

{filled("**Template matching**: " + matched)}

{table(["object", "voxels", "step of all orientations", "templates", "resemblance"], rows)}

CPU-minutes of the whole process:

{table(CPU_HEADS, cpu)}"""


CPU_HEADS = [
    "seed",
    "our training",
    "octopi's training",
    "our picks",
    "octopi's picks",
    "matching, with validation",
]


def minutes_text(*entries: Figures) -> str:
    return f"{sum(entry['cpu_seconds'] for entry in entries) / 60:.1f}"


def real(figures: Figures) -> str:
    found = figures["real"]
    low, high = min(found["load"]), max(found["load"])
    rows = []
    for side in ("left", "right"):
        for when in ("before", "after"):
            entry = found[when][side]
            other = "right" if side == "left" else "left"
            name = "as shipped" if when == "before" else f"fine-tuned on the {other} half"
            rows.append(
                [
                    side,
                    name,
                    f"{entry['found']} of {entry['of']}",
                    str(entry["false"]),
                    str(entry["near_a_face"]),
                    f"{text_of(entry['error_angstrom'], 1)} ({entry['annotated_found']})",
                ]
            )
    text = filled(
        "The shipped model `hiv-vlp-40a` was trained only on simulated virus-like particles. Here "
        "it searches a real tomogram of immature HIV-1 (EMPIAR-10164, 40 A voxels), unseen in "
        "training: first unchanged, then after `train --start hiv-vlp-40a` on one half of the "
        f"tomogram for {found['settings']['minutes']:g} minutes. Only the other half is scored. "
        "The halves meet at x = 2700 A and hold 8 and 3 particles, so a difference of one particle "
        "means nothing. Hits are within 540 A; candidates within 540 A of an x or y face are "
        "listed but not counted. The error is over the annotated centres found (in brackets), of "
        "nine in all. Part of the training half, along y, serves as validation. All use the "
        "shipped model's threshold. The fine-tuned models are not shipped. Measured at commit "
        f"{found['commit']} at a load of {low:.1f} to {high:.1f}."
    )
    heads = ["half", "model", "found", "false", "near a face", "error (A)"]
    return f"""## From simulated to real

{text}

{table(heads, rows)}"""


def limits(figures: Figures) -> str:
    done = ", ".join(figures["seeds"]) or "none"
    text = filled(
        "Simulated tomograms are easier than real ones: a model generates their noise, contrast "
        "transfer and neighbours, and it is the same for training and test. Tomograms are small "
        "and trainings short, so that everything runs on two cores overnight; use `--minutes`, "
        f"`--shape`, `--runs` and `--seeds` to change that. Seeds complete: {done}."
    )
    return f"""## Limits

{text}"""
