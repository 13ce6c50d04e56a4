# What a contributor can do here: `just` lists it. Everything runs in the environment whose python is first on the path.

# list the recipes
default:
    @just --list

# make .venv with everything that development needs
setup:
    python3 -m venv .venv
    .venv/bin/pip install -e '.[dev]'

# style, types and the laws about who may import whom
check:
    ruff check .
    ruff format --check .
    mypy
    lint-imports

# rewrite files in the house style
format:
    ruff check --fix .
    ruff format .

# the default tests: no network, no GPU, minutes at most
test *ARGS:
    pytest {{ARGS}}

# the tests that take minutes each, one after the other: they measure memory and time
slow *ARGS:
    pytest -m slow -n 0 {{ARGS}}

# speed and memory, side by side with a bare ONNX Runtime loop
bench *ARGS:
    python bench/run.py {{ARGS}}

# whole runs, side by side with the scripts that one would write instead
bench-compare *ARGS:
    python bench/compare.py {{ARGS}}

# speed of training, side by side with a plain fp32 loop
bench-train *ARGS:
    python bench/train.py {{ARGS}}

# enlarging in tiles, side by side with the whole picture at once
bench-enlarge *ARGS:
    python bench/enlarge.py {{ARGS}}

# ONNX Runtime and OpenVINO, on one core
bench-backends *ARGS:
    python bench/backends.py {{ARGS}}

# all that runs on a GPU, in ten minutes
bench-gpu *ARGS:
    python bench/gpu.py {{ARGS}}

# how good drawn portraits are, see bench/README.md
bench-quality *ARGS:
    python bench/quality/run.py {{ARGS}}

# write docs/stages.md anew from the registry
docs:
    henshin plugins --markdown > docs/stages.md

# everything a change must pass, in a fresh environment
ci:
    .ci/run
