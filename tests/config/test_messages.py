"""What is said of a pipeline: once, at the right place, in words that are no Python."""

from __future__ import annotations

import pytest
from support.pipeline import Loader, wrong


@pytest.mark.parametrize("listing", ["{use: paint}", "paint"])
def test_stages_that_are_no_list_are_shown_as_one(read: Loader, listing: str) -> None:
    assert wrong(read, f"name: x\nstages: {listing}\n") == ["p.yaml:2: stages: is no list; write '- use: paint'"]


def test_a_misspelt_option_is_not_also_missing(read: Loader) -> None:
    (line,) = wrong(read, "stages:\n  - use: paint\n    modle: anime\n")
    assert line == "p.yaml:3: paint.modle: no such option; did you mean 'model'?"
    assert len(wrong(read, "stages:\n  - use: paint\n    colour: red\n")) == 2, "but what is no misspelling is"


def test_a_number_that_is_too_long_is_the_only_problem(read: Loader) -> None:
    (line,) = wrong(read, f"stages:\n  - use: face_detect\n  - use: paint\n    model: {'9' * 5000}\n")
    assert line.startswith("p.yaml:4: '999")
    assert line.endswith("...' cannot be read as !!int")


def test_a_long_text_keeps_its_quotes(read: Loader) -> None:
    (line,) = wrong(read, f"stages:\n  - {{use: paint, model: anime, slow: {'x' * 200}}}\n")
    assert "...' is not true or false" in line
