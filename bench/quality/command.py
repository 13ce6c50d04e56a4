"""The command line of the rulers, and their flow: photos to portraits, portraits to figures, figures to a verdict."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from henshin.errors import HenshinError, MissingError
from henshin.metrics import Cache
from quality import faces, groups
from quality.hold_out import pictures_of, split
from quality.judges import NETWORKS
from quality.measure import Meter, figures
from quality.portraits import Portraits, Workshop
from quality.report import ALL, judge, table, trained_by, verdict
from quality.sheet import draw_sheet

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin import Picture

    Rows = npt.NDArray[np.intp]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; what is wrong ends the program with one line."""
    options = parse(arguments)
    try:
        measure_models(options)
    except HenshinError as error:
        sys.exit(str(error))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="bench/quality/run.py",
        description="Measure the portraits that models draw of photos, and compare the models. bench/README.md, "
        '"Quality", says what each figure is.',
    )
    add = parser.add_argument
    add("--model", action="append", required=True, help="name or .onnx of a translator; several are compared")
    add("--photos", action="append", type=Path, required=True, help="folder of photos: a set; several are several")
    add("--drawings", type=Path, required=True, help="folder of held-out drawings, prepared like the training set")
    add("-o", "--output", type=Path, required=True, help="folder for figures.json, sheets, portraits and the cache")
    add("--hold-out", type=positive, metavar="N", help="of each folder only the N names with the smallest MD5")
    add(
        "--trained-with",
        action="append",
        metavar="[MODEL=]NETWORK",
        help="efficientnet, vgg or none: what trained the models, or one of them (default: what their origin says)",
    )
    add("--groups", type=Path, default=groups.FILE, help="file of the groups (default: the one beside the command)")
    add("--yunet", metavar="FILE", help=f"landmarks by YuNet, its name or .onnx (default: {faces.YUNET}, else MTCNN)")
    add("--cascade", metavar="FILE", help=f"cascade of drawn faces, its name or .xml (default: {faces.CASCADE})")
    add("--device", default="cpu", help="cpu, cuda or cuda:N for the models (default: %(default)s)")
    add("--threads", type=positive, help="threads of PyTorch (default: its own choice)")
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    """Return a whole number from 1 on. Errors: ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}': must be a whole number, at least 1")
    return int(text)


@dataclass(frozen=True)
class Sample:
    """A photo with a portrait by every model: its set, its file, and its crop."""

    set: str
    file: Path
    crop: Picture


def measure_models(options: argparse.Namespace) -> None:
    """Do all that the command line asks for. Errors: HenshinError."""
    if options.output.exists() and not options.output.is_dir():
        raise HenshinError(f"-o {options.output}: is a file; must be a folder, or a new name")
    import torch

    from henshin.models import ModelStore
    from henshin.registry import build_registry

    if options.threads:
        torch.set_num_threads(options.threads)
    store = ModelStore()
    by_group = groups.load_groups(options.groups)
    found = {model: store.find(model) for model in dict.fromkeys(options.model)}
    titles = dict(zip(found, unique([one.name for one in found.values()]), strict=True))
    trained = trainings({titles[model]: trained_by(one.contract) for model, one in found.items()}, options.trained_with)
    workshop = Workshop(options.output, store, build_registry(), options.device)
    yunet = detector(workshop, options.yunet, faces.YUNET, "landmarks are MTCNN's, which finds few drawn faces")
    cascade = detector(workshop, options.cascade, faces.CASCADE, "drawn faces are not searched for")

    drawings = [read_picture(file) for file in held_out(pictures_of(options.drawings), options.hold_out)]
    samples, drawn, missing = portraits(options, workshop, titles)
    meter = Meter(workshop, Cache(options.output / ".cache"), cascade, yunet)
    say(f"measuring {len(drawings)} drawings and {len(samples)} photos with their portraits")
    of_drawings, of_photos = meter.measure(drawings), meter.measure([sample.crop for sample in samples])
    scopes = scopes_of(samples, by_group)
    results: dict[str, dict[str, Any]] = {}
    for title, pictures in drawn.items():
        of_drawn = meter.measure(pictures)
        results[title] = {
            scope: figures(of_photos, of_drawn, of_drawings, rows) for scope, rows in scopes.items() if len(rows)
        }
        draw_sheet(options.output / f"sheet-{title}.png", [sample.crop for sample in samples], pictures)

    references = {"photos": of_photos.found(scopes[ALL]), "drawings": of_drawings.found(np.arange(len(drawings)))}
    lines = list(verdict(results, trained))
    print_report(results, references, lines, missing)
    write_figures(options.output / "figures.json", results, references, lines, samples, missing, judge(trained)[0])


def portraits(
    options: argparse.Namespace, workshop: Workshop, titles: Mapping[str, str]
) -> tuple[list[Sample], dict[str, list[Picture]], dict[str, str]]:
    """Return the photos of which every model drew a portrait, the portraits by title, and why others have none."""
    samples: list[Sample] = []
    drawn: dict[str, list[Picture]] = {title: [] for title in titles.values()}
    missing: dict[str, str] = {}
    for name, folder in zip(unique([folder.resolve().name for folder in options.photos]), options.photos, strict=True):
        files = held_out(pictures_of(folder), options.hold_out)
        say(f"{name}: {len(files)} photos")
        crops = workshop.crops(files, name)
        made: dict[str, Portraits] = {}
        for model, title in titles.items():
            say(f"  {title} draws")
            made[title] = workshop.drawn(files, absolute(model), name, title)
        for file in files:
            reasons = [one.missing[file] for one in (crops, *made.values()) if file in one.missing]
            if reasons:
                missing[f"{name}/{file.name}"] = reasons[0]
                continue
            samples.append(Sample(name, file, crops.pictures[file]))
            for title, one in made.items():
                drawn[title].append(one.pictures[file])
    if not samples:
        raise HenshinError(f"no photo gave a portrait; the first: {next(iter(missing.values()))}")
    return samples, drawn, missing


def scopes_of(samples: Sequence[Sample], by_group: groups.Groups) -> dict[str, Rows]:
    """Return the rows of all photos, of each set where there are several, and of each group."""
    sets = dict.fromkeys(sample.set for sample in samples)
    scopes = {ALL: np.arange(len(samples))}
    if len(sets) > 1:
        scopes |= {name: np.flatnonzero([sample.set == name for sample in samples]) for name in sets}
    for group, stems in by_group.items():
        scopes[group] = np.flatnonzero([groups.is_member(sample.file.stem, stems) for sample in samples])
    return scopes


def detector(workshop: Workshop, wanted: str | None, default: str, without: str) -> str | None:
    """Return the detector to use: the one wanted, else the default if it is on this machine, else None, and say so.

    Errors: MissingError if the one wanted is not there.
    """
    try:
        workshop.store.file(wanted or default)
    except MissingError as error:
        if wanted is not None:
            raise
        say(f"{without}: {error}")
        return None
    return absolute(wanted or default)


def trainings(trained: Mapping[str, frozenset[str]], said: Sequence[str] | None) -> dict[str, frozenset[str]]:
    """Return the feature networks that trained each model, corrected by --trained-with. Errors: HenshinError."""
    corrected: dict[str, set[str]] = {}
    for text in said or ():
        model, _, network = text.rpartition("=")
        if network not in {"none", *(one.network for one in NETWORKS)}:
            raise HenshinError(f"--trained-with '{text}': must be NETWORK or MODEL=NETWORK, of efficientnet, vgg, none")
        if model and model not in trained:
            raise HenshinError(f"--trained-with '{text}': there is no model {model}; there are: {', '.join(trained)}")
        for one in [model] if model else trained:
            corrected.setdefault(one, set()).add(network)
    return {model: frozenset(corrected.get(model, by) - {"none"}) for model, by in trained.items()}


def held_out(files: list[Path], count: int | None) -> list[Path]:
    """Return the `count` files that are held out by name, None for all."""
    return files if count is None else split(files, count)[0]


def absolute(model: str) -> str:
    """Return the absolute path of a model's file, for it is relative to no pipeline; a name as it is."""
    from henshin.models.store import is_path

    return str(Path(model).expanduser().resolve()) if is_path(model) else model


def unique(names: Sequence[str]) -> list[str]:
    """Return the names, those that came before with the least number from 2 on that gives a new one."""
    found: list[str] = []
    for i, name in enumerate(names):
        numbered = (f"{name}-{number}" for number in range(2, len(names) + 2))
        free = (one for one in numbered if one not in found and one not in names)
        found.append(next(free) if name in names[:i] else name)
    return found


def read_picture(file: Path) -> Picture:
    """Read a picture. Errors: HenshinError that names the file."""
    from henshin.images import read

    try:
        return read(file).picture
    except HenshinError as error:
        raise HenshinError(f"{file}: {error}") from error


# -- What comes out


def print_report(
    results: Mapping[str, Mapping[str, Any]],
    references: Mapping[str, Mapping[str, Any]],
    lines: Sequence[str],
    missing: Mapping[str, str],
) -> None:
    """Print the tables, what detectors find in photos and real drawings, the photos without portrait, the verdict."""
    for title, by_scope in results.items():
        print(f"\n{title}")
        print("\n".join(table(by_scope)))
    print()
    for name, values in references.items():
        distance = values["landmark_distance"]
        words = [f"landmarks in {values['landmarks_found']:.0%}"]
        words += [f"{distance:.3f} of the side from the template"] if distance is not None else []
        words += [f"drawn faces in {values['drawn_face_found']:.0%}"] if "drawn_face_found" in values else []
        print(f"for comparison, {name}: {', '.join(words)}")
    if missing:
        stages = Counter(why.partition(":")[0] for why in missing.values())
        total = len(missing) + max(by_scope[ALL]["n"] for by_scope in results.values())
        print(
            f"without portrait: {len(missing)} of {total} photos "
            f"({', '.join(f'{stage} {count}' for stage, count in stages.items())}); figures.json names them"
        )
    print()
    print("\n".join(lines))


def write_figures(
    path: Path,
    results: Mapping[str, Mapping[str, Any]],
    references: Mapping[str, Any],
    lines: Sequence[str],
    samples: Sequence[Sample],
    missing: Mapping[str, str],
    letter: str | None,
) -> None:
    """Write all figures, and which photo has which number on the sheets."""
    from henshin.files import write_atomic

    letters = {network.letter for network in NETWORKS}

    def plain(values: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out the resamples of ratios."""
        return {
            name: {key: number for key, number in value.items() if key != "resamples"} if name in letters else value
            for name, value in values.items()
        }

    models = {
        title: {scope: plain(values) for scope, values in by_scope.items()} for title, by_scope in results.items()
    }
    numbers = {str(i): f"{sample.set}/{sample.file.name}" for i, sample in enumerate(samples, 1)}
    content = {
        "judge": letter, "verdict": lines, "models": models, "references": references, "without_portrait": missing,
        "numbers": numbers,
    }  # fmt: skip
    with write_atomic(path) as part:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def say(text: str) -> None:
    """Tell on the standard error what is being done."""
    print(text, file=sys.stderr, flush=True)
