"""The page docs/point-accuracy.md, from the figures of points.py."""

from collections.abc import Iterable, Mapping
from typing import Any

from accuracy_report import error_of, filled, mean, text_of
from bench_report import table

Figures = Mapping[str, Any]
VOXEL_ANGSTROM = 10.0
ERROR_TARGET, F1_MARGIN, PAIR_TARGET = 0.35, -0.01, 0.97
PARTS = ("where", "members", "variants", "pairs", "motors")
Z_SPREAD, Z_MEAN, CALIBRATION_TARGET, NUMBER_TARGET = (0.9, 1.1), 0.1, 0.05, 0.05
COST_TARGET, F2_TARGET, AUC_TARGET = 0.7, 0.75, 0.90


def page(figures: Figures) -> str:
    """Return the page in Markdown; parts that were not measured are left out."""
    parts = [head(figures), targets(figures)]
    made = {
        "where": (where, sureness, cost, objects),
        "pairs": (pairs,),
        "members": (members,),
        "variants": (variants,),
        "motors": (motors,),
    }
    for part, texts in made.items():
        if figures[part]:
            parts += [text(figures[part]) for text in texts]
            parts.append(processor_of(figures[part]))
    parts.append(LIMITS)
    return "\n\n".join(part.strip() for part in parts) + "\n"


def head(figures: Figures) -> str:
    sizes = figures["sizes"]
    machines = [seed["machine"] for part in PARTS for seed in figures[part].values()]
    steps = list(steps_of(figures))
    commits = ", ".join(sorted({step["commit"] for step in steps})) or "none"
    loads = [value for step in steps for value in step["load"]] or [0.0]
    about = filled(
        "How well the point heads perform: [centres](points.md#centres) compared with `softmax` "
        "with the same network, tomograms and time, and [heatmap](points.md#heatmap) on flagellar "
        "motors. **Everything is measured on simulated tomograms**, and does not predict the "
        "performance on a real specimen. One command measures everything and resumes after an "
        "interruption:"
    )
    facts = filled(
        f"`point-accuracy.json` holds all figures. Measured at commit {commits} at a load of "
        f"{min(loads):.1f} to {max(loads):.1f}. Machine: {each_of(machines, 'processor')}, "
        f"{each_of(machines, 'cores')} cores, {each_of(machines, 'system')}, no GPU used. "
        f"copick-picker {each_of(machines, 'copick_picker')}, torch {each_of(machines, 'torch')}, "
        f"Python {each_of(machines, 'python')}. "
        f"Trainings of {sizes['minutes']:g} minutes with one thread, on {sizes['runs'][0]} "
        f"tomograms of {sizes['shape'].replace(',', ' x ')} voxels of the preset "
        f"`{sizes['preset']}`; thresholds from {sizes['runs'][1]} more, figures from "
        f"{sizes['runs'][2]} others."
    )
    return f"""# Accuracy of points

{about}

    python tests/benchmarks/points.py --work .accuracy

{facts}"""


def processor_of(seeds: Figures) -> str:
    """Return where a part was measured: steps in a given time depend on it."""
    by_processor: dict[str, list[str]] = {}
    for number, seed in seeds.items():
        by_processor.setdefault(str(seed["machine"]["processor"]), []).append(number)
    named = [f"seed {', '.join(numbers)} on {name}" for name, numbers in by_processor.items()]
    return f"Measured: {'; '.join(named)}."


def each_of(machines: Iterable[Figures], key: str) -> str:
    """Return the values of a fact, each once."""
    return ", ".join(sorted({str(machine[key]) for machine in machines})) or "none"


def steps_of(value: object) -> Iterable[Figures]:
    """Yield every step that was measured, however deep it lies."""
    if isinstance(value, Mapping):
        if "commit" in value and "load" in value:
            yield value
        for each in value.values():
            yield from steps_of(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from steps_of(each)


def voxels(scores: Figures) -> float:
    return (error_of(scores) or 0.0) / VOXEL_ANGSTROM


def f1_of(scores: Figures) -> float:
    return mean(entry["f1"] for entry in scores["objects"].values()) or 0.0


def interval(difference: Figures) -> str:
    low, high = difference["interval"]
    return f"{difference['difference']:+.3f} ({low:+.3f} to {high:+.3f})"


def in_angstrom(difference: Figures) -> str:
    low, high = (f"{difference[key]:+.2f}" for key in ("low", "high"))
    return f"{difference['difference']:+.2f} ({low} to {high})"


def targets(figures: Figures) -> str:
    rows = []

    def add(name: str, part: str, reached: Any) -> None:
        seeds = figures[part]
        if not seeds:
            return
        good = [number for number, seed in seeds.items() if reached(seed)]
        text = "met" if len(good) == len(seeds) else "**missed**"
        rows.append([name, f"{', '.join(good) or 'none'} of {', '.join(seeds)}", text])

    add(
        f"`centres`: mean error of hits at most {ERROR_TARGET} voxel",
        "where",
        lambda seed: voxels(seed["tuned"]["centres"]["scores"]) <= ERROR_TARGET,
    )
    add(
        "`centres`: macro F1 not below that of `softmax`, interval of the difference above -0.01",
        "where",
        lambda seed: seed["compared"]["tuned"]["f1"]["interval"][0] > F1_MARGIN,
    )
    add(
        "z-scores: standard deviation 0.9 to 1.1 and mean below 0.1 on each axis",
        "where",
        lambda seed: all(
            Z_SPREAD[0] <= spread <= Z_SPREAD[1] and abs(middle) < Z_MEAN
            for spread, middle in zip(
                seed["centres"]["z"]["sd"], seed["centres"]["z"]["mean"], strict=True
            )
        ),
    )
    add(
        f"expected calibration error at most {CALIBRATION_TARGET}",
        "where",
        lambda seed: seed["centres"]["probability"]["calibration_error"] <= CALIBRATION_TARGET,
    )
    add(
        "expected number of particles per run within 5 % of the truth, mean over runs",
        "where",
        lambda seed: seed["centres"]["probability"]["mean_difference_of_runs"] <= NUMBER_TARGET,
    )
    add(
        f"`detect` at most {COST_TARGET} x the CPU-seconds of `segment` and `localize`",
        "where",
        lambda seed: cost_ratio(seed) <= COST_TARGET,
    )
    add(
        f"pairs 0.9 to 1.2 radii apart: recall at least {PAIR_TARGET}",
        "pairs",
        lambda seed: pair_recall(seed) >= PAIR_TARGET,
    )
    add(
        f"motors: F2 at least {F2_TARGET}",
        "motors",
        lambda seed: seed["use"]["1"]["object"]["f_beta"] >= F2_TARGET,
    )
    add(
        f"motors: AUC of presence at least {AUC_TARGET}",
        "motors",
        lambda seed: seed["use"]["all"]["object"]["presence_auc"] >= AUC_TARGET,
    )
    return "## Targets\n\n" + table(["target", "reached in seeds", ""], rows)


def where(seeds: Figures) -> str:
    rows, compared = [], []
    names = {
        "softmax": lambda seed: seed["tuned"]["softmax"]["scores"],
        "centres": lambda seed: seed["tuned"]["centres"]["scores"],
    }
    for number, seed in seeds.items():
        for name, scores_of in names.items():
            scores = scores_of(seed)
            recall = mean(entry["recall"] for entry in scores["objects"].values())
            steps = seed["train"][name]["steps"]
            row = [number, name, str(steps), f"{f1_of(scores):.3f}", text_of(recall)]
            rows.append([*row, f"{error_of(scores):.1f}", f"{voxels(scores):.2f}"])
        difference = seed["compared"]["tuned"]
        row = [number, "centres minus softmax"]
        row += [interval(difference["f1"]), interval(difference["recall"])]
        compared.append([*row, in_angstrom(seed["compared"]["error"])])
    about = filled(
        "Means over the objects, on test tomograms unseen in training. Hits are one-to-one within "
        "half the radius, and the error is that of hits. `softmax` is `segment` with `localize`. "
        "Thresholds are those chosen by `train --beta 1` on the three validation runs. The second "
        "table gives differences paired by run, with 95 % intervals from 10,000 bootstrap "
        "replicates over runs."
    )
    columns = ["seed", "", "steps", "F1", "recall", "error (A)", "error (voxels)"]
    return (
        f"## Positions\n\n{about}\n\n{table(columns, rows)}\n\n"
        f"{table(['seed', '', 'F1', 'recall', 'error of the same hits (A)'], compared)}"
    )


def sureness(seeds: Figures) -> str:
    spread, chance = [], []
    for number, seed in seeds.items():
        z, known = seed["centres"]["z"], seed["centres"]["probability"]
        axes = [f"{sd:.2f} ({middle:+.2f})" for sd, middle in zip(z["sd"], z["mean"], strict=True)]
        spread.append([number, str(z["n"][0]), *axes])
        chance.append(
            [
                number,
                str(known["candidates"]),
                f"{known['calibration_error']:.3f}",
                f"{known['expected_number']:.1f} of {known['true_number']}",
                f"{100 * known['mean_difference_of_runs']:.1f} %",
            ]
        )
    about = filled(
        "The model is calibrated on the validation runs and evaluated on the test runs. z-scores "
        "are errors of hits divided by their predicted standard deviations; the table gives their "
        "standard deviation, with their mean in brackets. The expected calibration error is the "
        "mean difference between score and fraction of hits in ten bins (Guo et al. 2017), over "
        "all candidates. The expected number of particles is the sum of all scores."
    )
    columns = ["seed", "candidates", "calibration error", "expected number", "error, mean of runs"]
    return (
        f"## Probabilities\n\n{about}\n\n{table(['seed', 'hits', 'x', 'y', 'z'], spread)}\n\n"
        f"{table(columns, chance)}"
    )


def cost_ratio(seed: Figures) -> float:
    ratio: float = seed["centres"]["use"]["cpu_seconds"] / seed["softmax"]["use"]["cpu_seconds"]
    return ratio


def cost(seeds: Figures) -> str:
    rows = []
    for number, seed in seeds.items():
        for name, taken in (
            ("softmax: segment and localize", seed["softmax"]["use"]),
            ("softmax: detect", seed["softmax"]["detect"]),
            ("centres: detect", seed["centres"]["use"]),
        ):
            each = taken["cpu_seconds"] / taken["tomograms"]
            rows.append([number, name, f"{each:.1f}", f"{taken['peak_mib']:.0f} MiB"])
    about = filled(
        "CPU-seconds per tomogram for whole commands with four augmentations and one thread, "
        "including startup, and peak memory. All use the same network, at an output stride of 2."
    )
    columns = ["seed", "", "CPU-seconds", "peak memory"]
    return f"## Cost\n\n{about}\n\n{table(columns, rows)}"


def objects(seeds: Figures) -> str:
    names = list(next(iter(seeds.values()))["centres"]["scores"]["objects"])
    rows = []
    for name in names:
        cells = []
        for key, digits in (("f1", 2), ("error_angstrom", 1)):
            values = [
                mean(scores["objects"][name][key] for scores in scores_of)
                for scores_of in (
                    [seed["tuned"]["softmax"]["scores"] for seed in seeds.values()],
                    [seed["tuned"]["centres"]["scores"] for seed in seeds.values()],
                )
            ]
            cells.append(" / ".join(text_of(value, digits) for value in values))
        rows.append([name, *cells])
    columns = ["object", "F1", "error (A)"]
    return (
        f"## Object by object\n\nsoftmax / centres; means over the seeds.\n\n{table(columns, rows)}"
    )


def pair_recall(seed: Figures) -> float:
    counts = seed["centres"]["pairs"]
    return float(counts["found"] / max(1, counts["particles"]))


def pairs(seeds: Figures) -> str:
    rows = [
        [
            number,
            str(seed["centres"]["pairs"]["particles"]),
            f"{pair_recall(seed):.3f}",
            f"{f1_of(seed['centres']['scores']):.3f}",
            f"{voxels(seed['centres']['scores']):.2f}",
        ]
        for number, seed in seeds.items()
    ]
    about = filled(
        "Two proteins, so crowded that many touch (`tests/benchmarks/pairs.yaml`), with a stated "
        "radius of about their diameter, trained for a third of the time. Recall is that of "
        "particles with a neighbour of the same kind 0.9 to 1.2 radii away, within half a radius, "
        "at the model's thresholds."
    )
    columns = ["seed", "particles", "recall", "F1 of all", "error (voxels)"]
    return f"## Particles that touch\n\n{about}\n\n{table(columns, rows)}"


def members(seeds: Figures) -> str:
    rows = []
    for number, seed in seeds.items():
        members_of = zip(seed["train"], seed["alone"], seed["compared"], strict=True)
        for at, (trained, alone, difference) in enumerate(members_of, start=1):
            rows.append([number, f"member {at}", *row_of(trained, alone, difference)])
        scores = seed["together"]["scores"]
        row = [number, "together", "", f"{f1_of(scores):.3f}", f"{voxels(scores):.3f}"]
        rows.append([*row, "", ""])
    minutes = next(iter(seeds.values()))["train"][0]["wall_seconds"] / 60
    about = filled(
        f"Five members made by `train --members`, each trained for {minutes:.0f} minutes, "
        "including startup, two at a time; each alone and all together. The last columns give the "
        "ensemble minus this member, paired by run, with the error over particles that both find, "
        "and 95 % intervals from 10,000 bootstrap replicates."
    )
    columns = ["seed", "", "steps", "F1", "error (voxels)", "F1, difference", "error (A)"]
    return f"## Ensembles\n\n{about}\n\n{table(columns, rows)}"


def row_of(trained: Figures, used: Figures, difference: Figures | None) -> list[str]:
    """Return steps, F1, error and differences of a model, as cells."""
    scores = used["scores"]
    row = [str(trained["steps"]), f"{f1_of(scores):.3f}", f"{voxels(scores):.3f}"]
    if difference is None:
        return [*row, "", ""]
    return [*row, interval(difference["f1"]), in_angstrom(difference["error"])]


def variants(seeds: Figures) -> str:
    rows = []
    for number, seed in seeds.items():
        base = seed["base"]
        rows.append([number, "member 1", *row_of(base["train"], base["use"], None)])
        rows += [
            [number, name, *row_of(each["train"], each["use"], each["compared"])]
            for name, each in seed["variants"].items()
        ]
    about = filled(
        "Each row changes one thing in the first member of the ensemble, with the same training "
        "time: loss weights learned after Kendall; `FeaturePyramid` or `ResNet` (18 layers) at an "
        "output stride of 4 instead of `ResidualUNet` at 2; patches of specimens simulated on the "
        "fly (`tests/benchmarks/on_the_fly.yaml`), by a reader process on the other core, instead "
        "of patches from ten fixed tomograms. The last columns give the variant minus member 1."
    )
    columns = ["seed", "", "steps", "F1", "error (voxels)", "F1, minus member 1", "error (A)"]
    return f"## Variants\n\n{about}\n\n{table(columns, rows)}"


def motors(seeds: Figures) -> str:
    rows = []
    for number, seed in seeds.items():
        at, everything = seed["use"]["1"]["object"], seed["use"]["all"]["object"]
        trained = seed["train"]
        low, high = at["intervals"]["f_beta"]
        rows.append(
            [
                number,
                f"{trained['cpu_seconds'] / 60:.1f}",
                str(trained["steps"]),
                f"{at['precision'] or 0:.2f}",
                f"{at['recall'] or 0:.2f}",
                f"{at['f_beta'] or 0:.3f} ({low:.2f} to {high:.2f})",
                f"{everything['presence_auc']:.3f}",
                f"{at['localization']['mean_angstrom'] or 0:.0f}",
            ]
        )
    about = filled(
        "[Flagellar motors](motors.md), from slices to a score by the challenge's rule: 120 "
        "tomograms for training and validation and 60 for testing, half of them without a motor, "
        "all with other objects of a motor's size. Precision, recall and F2 are at the model's "
        "own threshold, with an interval from a bootstrap over tomograms. The AUC of presence is "
        "over the best candidate in every tomogram; the error is that of hits, in Angstrom."
    )
    columns = ["seed", "CPU-minutes", "steps", "precision", "recall", "F2", "AUC", "error (A)"]
    return f"## Motors\n\n{about}\n\n{table(columns, rows)}"


LIMITS = """## Limits

- Scores on simulated tomograms are optimistic: training used the same particles, with exact picks.
- Times and steps depend on the machine; CPU-minutes include making patches and validation. On a
  busy machine a training makes fewer steps in the same time: check the steps before comparing rows.
- The tolerance of the motors' rule, 1000 A, is wide for small voxels."""
