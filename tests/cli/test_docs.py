"""The pages say what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.paths import ROOT

PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md")]


def test_the_reference_of_stages_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    from henshin.cli import main

    assert main(["plugins", "--markdown"]) == 0
    current = capsys.readouterr().out
    assert (ROOT / "docs" / "stages.md").read_text(encoding="utf-8") == current, "run `just docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_readme_shows_the_packaged_pipeline_as_it_is() -> None:
    import yaml

    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    shown = [block for block in map(yaml.safe_load, blocks) if block.get("name") == "selfie2anime"]
    assert shown == [yaml.safe_load((ROOT / "pipelines" / "selfie2anime.yaml").read_text(encoding="utf-8"))]


def test_the_readme_names_every_command_and_stage() -> None:
    from henshin.cli.app import COMMANDS
    from henshin.registry import build_registry

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if name not in text] == []
    table = {name for line in text.splitlines() if line.startswith("| `") for name in re.findall(r"`(\w+)`", line)}
    built_in = build_registry()
    owned = [name for name in built_in.stages if built_in.owners["stage", name].origin == "henshin"]
    assert sorted(set(owned) - table) == []


def test_the_pages_name_every_ready_pipeline_and_stage() -> None:
    from henshin.registry import build_registry

    pipelines = {path.stem for path in (ROOT / "pipelines").glob("*.yaml")}
    registry = build_registry()
    stages = {name for name in registry.stages if registry.owners["stage", name].origin == "henshin"}
    for page, wanted in (("README.md", pipelines), ("CHANGELOG.md", pipelines | stages)):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert sorted(name for name in wanted if f"`{name}`" not in text) == [], page


def test_every_package_that_is_asked_for_has_its_licence_listed() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[^\w.-]", one)[0] for one in asked} - {"henshin"}
    _, _, table = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8").partition("## Packages")
    listed = set(re.findall(r"[\w.-]+", table))
    assert sorted(names - listed) == []
