"""A process that is killed at any moment, and at the same one every time."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

TESTS = str(Path(__file__).parents[1])


def killed_at(number: int, *modules: str) -> None:
    """Kill this process at the call of that number that these modules make of what is not Python: a write, a rename."""

    def count(frame: FrameType, event: str, _: Any) -> None:
        nonlocal number
        if event == "c_call" and frame.f_globals.get("__name__") in modules:
            number -= 1
            if number == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(count)
    sys.setprofile(count)
