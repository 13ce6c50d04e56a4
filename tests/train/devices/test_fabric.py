"""The precision that a run chooses by itself, and memory that stays with the process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from henshin.train.devices import fabric  # noqa: E402


@pytest.mark.parametrize(("native", "cost", "chosen"), [(True, 0.5, "bf16"), (True, 1.6, "fp32"), (False, 0.5, "fp32")])
def test_auto_is_bf16_only_where_the_processor_has_it_and_is_faster(monkeypatch, native, cost, chosen):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: native)
    monkeypatch.setattr(fabric, "bf16_cost_on_cpu", lambda: cost)
    assert fabric.precision_of(fabric.make_fabric("cpu", "auto")) == chosen
    for said in ("bf16", "fp32"):
        assert fabric.precision_of(fabric.make_fabric("cpu", said)) == said


def test_the_cost_is_a_ratio_and_leaves_the_threads_alone():
    threads = torch.get_num_threads()
    cost = fabric.bf16_cost_on_cpu.__wrapped__()
    assert 0.02 < cost < 50
    assert torch.get_num_threads() == threads


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is on Linux")
def test_freed_memory_is_used_again_instead_of_being_faulted_in():
    """Page faults of 20 rounds of a large tensor, in a process of its own: the settings hold until its end.

    The heap first grows for some rounds, how many depends on where the process was loaded.
    """
    code = (
        "import resource, sys, torch\n"
        "from henshin.train.devices.memory import keep_freed_memory\n"
        "if sys.argv[1] == 'keep' and not keep_freed_memory(): sys.exit(3)\n"
        "def rounds(n):\n"
        "    for _ in range(n): torch.ones(16 * 2**20)\n"
        "rounds(40); before = resource.getrusage(0).ru_minflt; rounds(20)\n"
        "print(resource.getrusage(0).ru_minflt - before)\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for name in list(environment):
        if name.startswith(("MALLOC_", "LD_PRELOAD")):
            del environment[name]

    def faults(word: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", code, word], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode == 3:
            pytest.skip("another C library")
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    assert faults("keep") < faults("return") / 5
