"""Modules that a fresh interpreter has loaded after some code."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = {"torch", "torchvision", "kornia", "onnxruntime", "numpy", "PIL", "kornia_rs", "cv2", "scipy", "rich", "onnx"}


def loaded_by(code: str) -> set[str]:
    """Run code in a fresh interpreter and give the modules it has loaded at its end."""
    script = f"import json, sys\n{code}\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout.splitlines()[-1]))


def command(*words: str) -> str:
    return f"from henshin.cli import main\nassert main({list(words)!r}) == 0"
