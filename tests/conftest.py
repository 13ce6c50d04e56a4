"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.paths import ROOT

# before PyTorch is loaded: processes of tests share the cores, and threads that wait for each other double the time
os.environ.setdefault("OMP_NUM_THREADS", "1")

# whose fixtures several files use
pytest_plugins = ["support.browser", "support.cli", "support.evaluation", "support.pipeline", "support.shared"]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of data sets that lies beside the checkout; tests that want it are skipped where it is absent."""
    folder = Path(os.environ.get("HENSHIN_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip("the shared data sets are not at hand (set HENSHIN_SHARED)")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests keep nothing in the user's cache."""
    before = os.environ.get("HENSHIN_CACHE")
    os.environ["HENSHIN_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["HENSHIN_CACHE"]
    else:
        os.environ["HENSHIN_CACHE"] = before


@pytest.fixture
def rng() -> np.random.Generator:
    """The same random numbers in every run."""
    return np.random.default_rng(20)
