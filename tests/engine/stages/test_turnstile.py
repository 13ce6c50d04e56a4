"""A turnstile lets threads pass one at a time and in order."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from henshin.engine.stages.turnstile import Turnstile


def test_threads_pass_in_the_order_of_their_numbers_whatever_the_timing() -> None:
    turnstile, passed = Turnstile(), []
    inside = threading.Lock()
    start = threading.Barrier(20, timeout=60)

    def come(number: int) -> None:
        start.wait()
        with turnstile.visit(number):
            assert inside.acquire(blocking=False), "nobody else is inside"
            passed.append(number)
            inside.release()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(come, random.Random(0).sample(range(20), 20)))
    assert passed == list(range(20))


def test_who_does_not_come_and_who_fails_inside_keep_nobody_waiting() -> None:
    turnstile = Turnstile()
    turnstile.skip(1)
    turnstile.skip(3)
    with pytest.raises(ValueError, match="hurts"), turnstile.visit(0):
        raise ValueError("hurts")
    turnstile.skip(0)
    for number in (2, 4):
        with turnstile.visit(number):
            pass
