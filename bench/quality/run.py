"""The command that measures drawn portraits. See ../README.md, "Quality".

python bench/quality/run.py --model NAME [--model FILE.onnx ...] --photos FOLDER [--photos FOLDER ...]
    --drawings FOLDER -o OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the folder of the package `quality`

from quality.command import main

if __name__ == "__main__":
    main()
