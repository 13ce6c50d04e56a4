"""The packages of bench/ on the path."""

from __future__ import annotations

import sys

from support.paths import ROOT

sys.path.append(str(ROOT / "bench"))
