"""The packages of bench/ on the path; everything there is wanted by those who measure, with the extra `train`."""

from __future__ import annotations

import sys

import pytest
from support.paths import ROOT

pytest.importorskip("torch")
sys.path.append(str(ROOT / "bench"))
