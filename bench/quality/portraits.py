"""Portraits of photos as the ready pipeline makes them: the crop of the largest face, and what a model draws of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from henshin import HenshinError

if TYPE_CHECKING:
    from henshin import Context, Picture
    from henshin.engine import Summary
    from henshin.models import ModelStore
    from henshin.pipeline import Pipeline
    from henshin.registry import Registry

PIPELINE = "selfie2anime-portrait"

LARGEST = "face_detect.faces=largest"


@dataclass
class Portraits:
    """The pictures of a set of photos, each by its file, and why there is none of the others."""

    pictures: dict[Path, Picture] = field(default_factory=dict)
    missing: dict[Path, str] = field(default_factory=dict)


@dataclass
class Workshop:
    """The models, plugins and device with which everything is drawn and detected. It writes below `folder`."""

    folder: Path
    store: ModelStore
    registry: Registry
    device: str = "cpu"

    @cached_property
    def context(self) -> Context:
        """The context that stages are opened with, outside a run. Errors: MissingError for a GPU that is not there."""
        from henshin import Context
        from henshin.runtime import resolve_device

        log = logging.getLogger("henshin")
        return Context(
            resolve_device(self.device), None, self.folder / ".cache", log, self.registry, self.store, Path.cwd()
        )

    @cached_property
    def margin(self) -> float:
        """The margin at which the pipeline aligns faces."""
        stages = self._load(PIPELINE, []).stages
        return next(float(stage.config.margin) for stage in stages if stage.name == "face_align")

    def crops(self, files: Sequence[Path], name: str) -> Portraits:
        """Return the crops of the largest faces, as the pipeline gives them to its generator. Errors: HenshinError."""
        return self._run(self._load(self._pipeline("photos"), []), files, self.folder / "photos" / name)

    def drawn(self, files: Sequence[Path], model: str, name: str, title: str) -> Portraits:
        """Return what the pipeline makes of the largest faces with this model. Errors: HenshinError, MissingError."""
        pipeline = self._load(self._pipeline("drawn"), [f"generator.model={json.dumps(model)}"])
        return self._run(pipeline, files, self.folder / "drawn" / title / name)

    def _pipeline(self, what: Literal["photos", "drawn"]) -> str:
        """Write the pipeline that is measured: what the ready one does before its generator, and for drawings that too.

        What follows it there (enlarging, cutting) is for people's eyes, and would be measured as the network's work.
        """
        import yaml

        from henshin.pipeline import find

        recipe = yaml.safe_load(find(PIPELINE).read_text(encoding="utf-8"))
        uses = [stage["use"] for stage in recipe["stages"]]
        end = uses.index("generator") + (what == "drawn")
        recipe["stages"] = [*recipe["stages"][:end], {"use": "split_faces"}]
        path = self.folder / ".cache" / f"{what}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
        return str(path)

    def _load(self, pipeline: str, overrides: list[str]) -> Pipeline:
        from henshin.pipeline import load

        return load(pipeline, self.registry, self.store, [LARGEST, *overrides])

    def _run(self, pipeline: Pipeline, files: Sequence[Path], output: Path) -> Portraits:
        """Run a pipeline; the record of its folder spares what an earlier run did."""
        from henshin.engine import NullReporter, RunOptions, RunRequest, run
        from henshin.images import WriteOptions

        write = WriteOptions(format="png", metadata="strip")
        options = RunOptions(device=self.device, write=write, on_existing="overwrite", cache=self.folder / ".cache")
        summary = run(RunRequest(pipeline, files, output, options, self.store, self.registry), NullReporter())
        _check_whole(summary)
        return _collect(files, output)


def _check_whole(summary: Summary) -> None:
    if summary.interrupted:
        raise KeyboardInterrupt
    if summary.stopped:
        raise HenshinError(f"pipeline '{summary.pipeline}' stopped: {summary.stopped}")


def _collect(files: Sequence[Path], folder: Path) -> Portraits:
    """Read what the record of a run says of each file."""
    from henshin.engine.preparation.input_files import SourceFile
    from henshin.engine.record.manifest import Manifest
    from henshin.images import read

    record, found = Manifest(folder).load(), Portraits()
    for file in files:
        entry = record.last(SourceFile.at(file, file.name).key)
        if entry is not None and entry.status == "done" and entry.outputs:
            found.pictures[file] = read(folder / entry.outputs[0].path).picture
        else:
            found.missing[file] = "the run says nothing of it" if entry is None else f"{entry.stage}: {entry.reason}"
    return found
