"""The test kit for authors of plugins, for any test runner or none.

    from henshin.testing import check_generator, check_plugin, check_stage
    check_plugin("henshin_hayao")
    check_generator(Hayao, {"width": 8})
    check_stage(Halftone, {"dot": 4})

    from henshin.train.testing import check_recipe  # with torch
    check_recipe(Echo, {"generator": {"use": "resnet", "width": 8}, "steps": 6})

Every check raises AssertionError with what the plugin did and what would be right, and returns None otherwise.
"""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

from henshin.api.frame import Dropped, Frame
from henshin.api.placement import frame_problem
from henshin.engine.preparation.outputs import output_problem
from henshin.errors import HenshinError, PictureError
from henshin.images.picture import Picture, picture_problem
from henshin.registry import Registry, build_registry
from henshin.testing.generators import check_generator, configured
from henshin.text import one_line

if TYPE_CHECKING:
    from henshin.api.context import Context
    from henshin.api.stage import Stage

__all__ = ["check_generator", "check_plugin", "check_stage", "context", "picture"]

SIZES = ((48, 40), (33, 17), (8, 8), (1, 1))
HEAVY = ("torch", "torchvision", "kornia", "onnxruntime", "cv2", "scipy")


def picture(width: int = 48, height: int = 40, seed: int = 0) -> Picture:
    """Return a test picture (height, width, 3) uint8, read-only: a slope of colours, two flat shapes, some noise."""
    import numpy as np

    noise = np.random.default_rng([seed, width, height])
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    slope = np.stack([rows / max(height - 1, 1), columns / max(width - 1, 1), (rows + columns) % 16 / 15], axis=-1)
    pixels = 40 + 160 * slope + noise.normal(0, 6, slope.shape)
    pixels[height // 4 : height // 2, width // 4 : width // 2] = noise.integers(0, 256, 3)
    pixels[height // 2 : height * 3 // 4, width // 2 :] = noise.integers(0, 256, 3)
    made = np.ascontiguousarray(pixels.clip(0, 255).round().astype(np.uint8))
    made.setflags(write=False)
    return made


def context(cache: Path, base: Path | None = None) -> Context:
    """Return a context to open a stage with: the CPU, the installed plugins, and the models that are found.

    ``cache`` is a folder, created when a stage asks for it; paths of models are relative to ``base`` (default: the
    working folder).
    """
    from henshin.api.context import Context
    from henshin.models import ModelStore
    from henshin.runtime import resolve_device

    return Context(
        device=resolve_device("cpu", False),
        batch_size=None,
        cache_folder=cache,
        log=logging.getLogger("henshin.testing.stages"),
        registry=build_registry(),
        store=ModelStore(),
        base=base or Path(),
    )


def check_stage(
    stage_class: type[Stage[Any]],
    options: Mapping[str, Any] | None = None,
    pictures: Sequence[Picture] | None = None,
    *,
    given: Context | None = None,
) -> None:
    """Run a stage as the engine does and check that it keeps the engine's rules.

    A *pictures* stage gets ``pictures`` (default: four of odd sizes, down to 1x1) together, one by one and in reverse
    order: as many must come back in the same order, each (H, W, 3) uint8 and C-contiguous or a ``Dropped``, the same
    within one grey level each time, and the given pictures must be unchanged. A *frames* stage gets a frame of each;
    a *source* stage must yield the same frames twice. ``given`` is the context to open it with (default: ``context``).
    """
    stage: Stage[Any] = configured(stage_class, "stage", options)
    if pictures is None:
        pictures = [picture(width, height, seed) for seed, (width, height) in enumerate(SIZES)]
    with TemporaryDirectory() as cache:
        try:
            with _as_assertion(f"{stage.name} does not open"):
                stage.open(given or context(Path(cache)))
            _CHECKS[stage.works_on](stage, [_read_only(one) for one in pictures])
        except BaseException:
            with suppress(Exception, SystemExit):  # the first error is the one to report
                stage.close()
            raise
        with _as_assertion(f"{stage.name} does not close"):
            stage.close()


@contextmanager
def _as_assertion(what: str) -> Iterator[None]:
    """Turn any error of a plugin into an AssertionError that begins with ``what``."""
    try:
        yield
    except AssertionError:
        raise
    except (Exception, SystemExit) as error:
        raise AssertionError(f"{what}: {one_line(error)}") from error


def check_plugin(module: ModuleType | str) -> None:
    """Check that a plugin registers together with all installed ones, and that importing it loads no heavy library.

    ``module`` is the module or its dotted name. The last check runs another Python, where the name can be imported.
    """
    with _as_assertion(f"plugin {module}: cannot be imported"):
        found = importlib.import_module(module) if isinstance(module, str) else module
    registry = _others(found)
    try:
        plugin = registry.register(found, found.__name__)
    except HenshinError as error:
        raise AssertionError(str(error)) from error
    for (kind, name), owner in registry.owners.items():
        if owner is not plugin:
            continue
        cls = getattr(registry, kind)(name)
        try:
            cls.Config.model_json_schema()
        except Exception as error:
            raise AssertionError(f"{kind} '{name}': its options have no JSON schema: {one_line(error)}") from error
    _check_light(plugin.name)


def _others(module: ModuleType) -> Registry:
    """Return a registry of all installed plugins but this one."""
    registry = Registry()
    for plugin in build_registry().plugins.values():
        if getattr(plugin.module, "__name__", None) != module.__name__:
            registry.register(plugin.module, f"{plugin.origin}/{plugin.name}", plugin.origin, plugin.version)
    return registry


def _check_light(name: str) -> None:
    """Import a module in a fresh Python and check that this loads no heavy library."""
    if getattr(sys.modules.get(name), "__spec__", None) is None:
        return
    script = f"import sys, {name}; print(*[one for one in {HEAVY!r} if one in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    if result.returncode == 0:
        heavy = result.stdout.split()
        assert not heavy, f"importing {name} loads {', '.join(heavy)}; import such things inside functions"


def _read_only(one: Picture) -> Picture:
    copy = one.copy()
    copy.setflags(write=False)
    return copy


def _check_pictures(stage: Stage[Any], pictures: Sequence[Picture]) -> None:
    before = [one.copy() for one in pictures]
    together = _run(stage, pictures)
    for one, same in zip(pictures, before, strict=True):
        assert (one == same).all(), f"{stage.name} changed a picture that it was given; work on a copy"
    alone = [_run(stage, [one])[0] for one in pictures]
    turned = _run(stage, pictures[::-1])[::-1]
    for index, one in enumerate(pictures):
        what = f"{stage.name}: the result for a picture of {one.shape[1]}x{one.shape[0]}"
        _same(together[index], alone[index], f"{what} is another one when it is alone in the list")
        _same(together[index], turned[index], f"{what} is another one when the order is turned round")


def _run(stage: Stage[Any], pictures: Sequence[Picture]) -> list[Any]:
    sizes = ", ".join(f"{one.shape[1]}x{one.shape[0]}" for one in pictures)
    try:
        results = _listed(stage, stage.run(list(pictures)), "pictures")
    except AssertionError:
        raise
    except (Exception, SystemExit) as error:
        hint = "; pictures are read-only, work on a copy" if "read-only" in str(error) else ""
        raise AssertionError(f"{stage.name} failed on pictures of {sizes}: {one_line(error)}{hint}") from error
    asked, got = len(pictures), len(results)
    assert asked == got, f"{stage.name} returned {got} results for {asked} pictures; it must return as many, in order"
    for one, given in zip(results, pictures, strict=True):
        if not isinstance(one, Dropped):
            _check_picture(one, f"{stage.name}, given {given.shape[1]}x{given.shape[0]},")
    return results


def _listed(stage: Stage[Any], results: Any, what: str) -> list[Any]:
    kind = type(results).__name__
    several = isinstance(results, Iterable) and not isinstance(results, str | bytes | Mapping)
    assert several, f"{stage.name} returned {kind} instead of a list of {what}"
    return list(results)


def _check_picture(one: object, who: str) -> None:
    import numpy as np

    assert not isinstance(one, PictureError), f"{who} refused the picture: {one}"
    problem = picture_problem(one)
    assert problem is None, f"{who} returned {problem}"
    assert isinstance(one, np.ndarray)
    assert one.flags.c_contiguous, f"{who} returned a view that is not C-contiguous; use numpy.ascontiguousarray"


def _same(one: Any, other: Any, what: str) -> None:
    import numpy as np

    if isinstance(one, Dropped) or isinstance(other, Dropped):
        assert one == other, f"{what}: {one} and {other}"
        return
    assert one.shape == other.shape, f"{what}: {one.shape} and {other.shape}"
    difference = int(np.abs(one.astype(int) - other.astype(int)).max())
    assert difference <= 1, f"{what}, by up to {difference} grey levels; at most 1 is allowed"


def _check_frames(stage: Stage[Any], pictures: Sequence[Picture]) -> None:
    frames = [Frame(f"test-{index}", f"test-{index}", one, decoded=one) for index, one in enumerate(pictures)]
    before = [one.copy() for one in pictures]
    with _as_assertion(f"{stage.name} failed on {len(frames)} frames"):
        results = _listed(stage, stage.run(frames), "frames")
    for one, same in zip(pictures, before, strict=True):
        assert (one == same).all(), f"{stage.name} changed a picture that it was given; put a new one into the frame"
    for frame in results:
        _check_frame(frame, stage)


def _check_frame(frame: object, stage: Stage[Any]) -> None:
    assert isinstance(frame, Frame), f"{stage.name} returned a {type(frame).__name__}, not a Frame"
    problem = frame_problem(frame)
    assert problem is None, f"{stage.name} returned {problem}"
    problem = output_problem(frame.name)
    assert problem is None, f"{stage.name}: {problem}"
    _check_picture(frame.picture, f"{stage.name}, frame '{frame.name}',")
    _check_alpha(frame, f"{stage.name}, frame '{frame.name}',")
    for face in frame.faces if "crops" in stage.gives else ():
        _check_picture(face.crop, f"{stage.name}, a face of frame '{frame.name}',")
        assert face.matrix is not None, f"{stage.name}: a face of frame '{frame.name}' has a crop and no matrix"


def _check_alpha(frame: Frame, who: str) -> None:
    import numpy as np

    alpha: object = frame.alpha
    if alpha is None:
        return
    shown = f"{alpha.dtype} {alpha.shape}" if isinstance(alpha, np.ndarray) else type(alpha).__name__
    right = isinstance(alpha, np.ndarray) and alpha.dtype == np.uint8 and alpha.shape == frame.picture.shape[:2]
    wanted = f"(height, width) of uint8, here {frame.picture.shape[:2]}"
    assert right, f"{who} returned {shown} as alpha, which is {wanted}"


def _check_source(stage: Stage[Any], _: Sequence[Picture], most: int = 4) -> None:
    failed = _as_assertion(f"{stage.name} failed in frames()")
    with failed, closing(_generator(stage)) as first, closing(_generator(stage)) as second:
        ones, others = list(islice(first, most)), list(islice(second, most))
    assert ones, f"{stage.name} yields no frame"
    assert len(ones) == len(others), f"{stage.name} yields {len(ones)} frames, then {len(others)}"
    for one, other in zip(ones, others, strict=True):
        _check_frame(one, stage)
        assert one.name == other.name, f"{stage.name} yields '{one.name}', then '{other.name}' in its place"
        _same(one.picture, other.picture, f"{stage.name}: frame '{one.name}' is another one the second time")
    named = stage.sources()
    if named is not None:
        first_names = list(named)[:most]
        same = first_names == [one.source for one in ones]
        assert same, f"{stage.name}: sources() names {first_names}, frames() yields others"
    names = {one.name for one in ones}
    assert len(names) == len(ones), f"{stage.name} yields several frames of one name"


def _generator(stage: Stage[Any]) -> Any:
    yield from stage.frames()


_CHECKS: dict[str, Callable[[Stage[Any], Sequence[Picture]], None]] = {
    "pictures": _check_pictures,
    "frames": _check_frames,
    "source": _check_source,
}
