"""The loop that one writes to send pictures through a network: Pillow, ONNX Runtime. bench/compare.py times it.

python bench/plain_loop.py MODEL.onnx IN OUT
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image


def main() -> None:
    model, source, target = sys.argv[1:]
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    port = session.get_inputs()[0].name
    for path in sorted(Path(source).iterdir()):
        picture = np.asarray(Image.open(path).convert("RGB"))
        drawn = session.run(None, {port: picture[None]})[0][0]
        Image.fromarray(drawn).save(Path(target) / path.name, quality=95)


if __name__ == "__main__":
    main()
