"""Run one configuration of `face_detect` on the scenes of a folder, in a process of its own: see bench/detect.py.

    python bench/detection/worker.py FOLDER OPTIONS(JSON) RESULT.json REPEATS

The photos are decoded before the clock runs; the time is the CPU's, of all threads.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # the folder of the package `detection`

from detection.sources import files, find, finder, pixels


def main() -> None:
    folder, options, result, repeats = Path(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # ONNX Runtime takes as many threads as there are cores
    stage = finder(**options)
    paths = files([folder])
    find(stage, pixels(paths[0]))
    rows = []
    for path in paths:
        picture = pixels(path)
        picture.flags.writeable = False
        seconds = []
        for _ in range(repeats):
            start = time.process_time()
            faces = find(stage, picture)
            seconds.append(time.process_time() - start)
        found = [
            {"box": face.box.tolist(), "score": face.score, "landmarks": face.landmarks.tolist()} for face in faces
        ]
        rows.append({"faces": found, "ms": 1000 * min(seconds)})
    result.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
