"""trackpy and laptrack on tables of detections; runs in a Python of its own that has them.

Usage: python movie_peers.py JOB.json, with
{"tables": [CSV, ...], "runs": [{"program": ..., "parameters": {...}, "folder": ...}, ...],
"result": JSON, "movie": TIFF or null, "diameter": odd number}. Each run writes a table of tracks
for every table of detections into its folder.
"""

import json
import sys
import time
from pathlib import Path

import laptrack
import pandas as pd
import trackpy


def with_trackpy(table, search_range, memory):
    return trackpy.link(table, search_range=search_range, memory=memory).rename(
        columns={"particle": "track_id"}
    )


def with_laptrack(table, cutoff, gap_cutoff, gap_frames):
    tracker = laptrack.LapTrack(
        cutoff=cutoff**2,
        gap_closing_cutoff=gap_cutoff**2,
        gap_closing_max_frame_count=gap_frames,
    )
    found, _, _ = tracker.predict_dataframe(
        table, coordinate_cols=["x", "y"], frame_col="frame", only_coordinate_cols=False
    )
    return found.reset_index(drop=True).rename(columns={"frame_y": "frame"})


PROGRAMS = {"trackpy": with_trackpy, "laptrack": with_laptrack}


def main():
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    trackpy.quiet()
    tables = [pd.read_csv(path)[["frame", "x", "y"]] for path in job["tables"]]
    seconds = []
    for run in job["runs"]:
        folder = Path(run["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        for number, table in enumerate(tables):
            found = PROGRAMS[run["program"]](table.copy(), **run["parameters"])
            found[["frame", "x", "y", "track_id"]].to_csv(folder / f"{number}.csv", index=False)
        seconds.append(time.perf_counter() - began)
    result = {
        "seconds": seconds,
        "versions": {"trackpy": trackpy.__version__, "laptrack": laptrack.__version__},
    }
    if job.get("movie"):
        import tifffile

        frames = tifffile.imread(job["movie"])
        began = time.perf_counter()
        for frame in frames:
            trackpy.locate(frame, job["diameter"])
        result["locate_frames_per_second"] = len(frames) / (time.perf_counter() - began)
    Path(job["result"]).write_text(json.dumps(result), encoding="utf-8")


main()
