"""The part of the test kit that runs networks. It imports torch only inside its functions."""

from __future__ import annotations

import importlib
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from henshin.config.validation import validate
from henshin.config.yaml_reader import parse
from henshin.registry.checks import class_problem, instance_problem
from henshin.text import flatten, one_line, with_article

if TYPE_CHECKING:
    from henshin.api.generator import Generator

FAR = 20.0
"""Tolerance of the value range of a fresh network, in widths of the range; beyond it the range must be wrong."""

MARGIN = 24


def _torch() -> Any:
    # By name and not by an import statement: import-linter allows this package no import of torch, not even a late one.
    return importlib.import_module("torch")


def configured(plugin: Any, kind: str, options: Mapping[str, Any] | None) -> Any:
    """Make a stage, a generator or a recipe with its options.

    Errors: AssertionError for a wrong class, option or trait.
    """
    problem = class_problem(kind, plugin)
    assert problem is None, problem
    config_class: type[BaseModel] = plugin.Config
    where, values = f"{kind} '{plugin.name}'", dict(options or {})
    try:
        config = config_class.model_validate(values)
    except ValidationError as error:
        node = parse(json.dumps(values, default=str), where, [], lines=False)
        message = "; ".join(map(str, validate(config_class, node, where)[1]))
        raise AssertionError(message or f"{where}: {flatten(error)}") from error
    except Exception as error:
        raise AssertionError(f"{where}: the checks of its options failed: {one_line(error)}") from error
    try:
        made = plugin(config)
        problem = instance_problem(kind, made)
    except Exception as error:
        raise AssertionError(f"{where}: cannot be made: {one_line(error)}") from error
    assert problem is None, problem
    return made


def check_generator(
    generator_class: type[Generator[Any]], options: Mapping[str, Any] | None = None, size: int = 64
) -> None:
    """Build a network twice and check that it agrees with its traits.

    Of a translator: one and two pictures of two sizes of about ``size`` (multiples of its ``size_multiple``) give
    finite (N, 3, H * scale, W * scale); the same input gives the same output in eval mode, whatever else is in the
    batch (within a grey level); the output lies near ``value_range``; the state dict alone carries the weights; and
    pixels beyond ``reach`` have no effect. Samplers, mappings and syntheses are run from a latent and checked likewise,
    encoders from squares of their ``maximum_size``, or of ``size``. The models of ``family`` must find their tensors in
    the whole network.
    Errors: AssertionError.
    """
    torch = _torch()
    generator: Generator[Any] = configured(generator_class, "generator", options)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        parts, again = _parts(generator), _parts(generator_class(generator.config))
        assert parts.keys() == again.keys(), f"{generator.name}: parts() gives {set(parts)}, then {set(again)}"
        _reload(generator, parts, again)
        if "" in parts:
            _check_family(generator, parts[""])
        elif generator.kind == "sampler":
            _check_shared(generator, parts.keys())
        if generator.kind == "translator":
            _check_translator(generator, parts[""], again[""], size)
        elif generator.kind == "encoder":
            _check_encoder(generator, parts[""], again[""], size)
        else:
            _check_latent(generator, parts, again)


def _parts(generator: Generator[Any]) -> dict[str, Any]:
    torch = _torch()
    try:
        parts = generator.parts()
    except Exception as error:
        raise AssertionError(f"{generator.name}: its networks cannot be built: {one_line(error)}") from error
    assert isinstance(parts, dict), f"{generator.name}: parts() must return a dict of modules"
    assert parts, f"{generator.name}: parts() must return a dict of modules"
    for name, part in parts.items():
        what = f"part '{name}' of parts()" if name else "build()"
        kind = type(part).__name__
        assert isinstance(part, torch.nn.Module), f"{generator.name}: {what} gives {kind} instead of a torch.nn.Module"
        part.eval()
    if generator.kind in ("translator", "encoder"):
        what = with_article(generator.kind)
        assert set(parts) == {""}, f"{generator.name}: {what} is one network, parts() must return {{'': network}}"
    return parts


def _reload(generator: Generator[Any], parts: Mapping[str, Any], into: Mapping[str, Any]) -> None:
    """Load the weights of one build into another, as a checkpoint or a .safetensors file does."""
    torch = _torch()
    for name, part in parts.items():
        state = part.state_dict()
        for key, value in state.items():
            is_tensor = isinstance(value, torch.Tensor)
            assert is_tensor, f"{generator.name}: '{key}' of its state dict is a {type(value).__name__}, not a tensor"
        try:
            into[name].load_state_dict(state)
        except RuntimeError as error:
            message = flatten(error)[:200]
            raise AssertionError(f"{generator.name}: two builds do not share one state dict: {message}") from error


def _check_family(generator: Generator[Any], network: Any) -> None:
    """Check that the whole network has all tensors of each model of its family."""
    family, whole = generator.family(), network.state_dict()
    assert isinstance(family, dict), f"{generator.name}: family() must return a dict of options"
    assert family, f"{generator.name}: family() names no model"
    for suffix, options in family.items():
        own = configured(type(generator), "generator", {**generator.config.model_dump(mode="json"), **options})
        for name, tensor in (_parts(own)[""].state_dict() if options else {}).items():
            here = f"{generator.name}: the model '{suffix}' of family() wants the tensor '{name}'"
            assert name in whole, f"{here}, which the whole network does not have"
            want, got = tuple(tensor.shape), tuple(whole[name].shape)
            assert want == got, f"{here} as {want}; the whole network has it as {got}"


def _check_shared(generator: Generator[Any], names: Collection[str]) -> None:
    """Check that the parts of a network share its weights: a trained network is exported by its parts."""
    whole = generator.build()
    own = {id(parameter) for parameter in whole.parameters()}
    parts = generator.parts(whole)
    assert parts.keys() == set(names), f"{generator.name}: parts(network) gives {set(parts)}, and parts() {set(names)}"
    for name, part in parts.items():
        foreign = [key for key, parameter in part.named_parameters() if id(parameter) not in own]
        assert not foreign, (
            f"{generator.name}: '{foreign[:1]}' of part '{name}' is no weight of the network given to it"
        )


def _check_translator(generator: Generator[Any], network: Any, again: Any, size: int) -> None:
    for height, width in _sizes(generator, size):
        batch = _pictures(generator, 2, height, width)
        unchanged = batch.clone()
        both = _forward(generator, network, batch)
        assert batch.equal(unchanged), f"{generator.name}: the network changes its input in place"
        want = (2, 3, height * generator.scale, width * generator.scale)
        got = tuple(both.shape)
        assert got == want, f"{generator.name}: (2, 3, {height}, {width}) gives {got}; its scale says {want}"
        _check_output(generator, both, _forward(generator, network, batch), _forward(generator, again, batch))
        _check_range(generator, both)
        for index in range(2):
            alone = _forward(generator, network, batch[index : index + 1])
            _near(generator, alone, both[index : index + 1], "a picture's output depends on the others in its batch")
    _check_reach(generator, network, size)


def _sizes(generator: Generator[Any], size: int) -> list[tuple[int, int]]:
    """Return two (height, width), if possible odd multiples of the size multiple."""
    step = generator.size_multiple
    side = -(-size // step) * step
    if generator.maximum_size is not None:
        side = max(step, min(side, generator.maximum_size // step * step - step))
    odd = side if (side // step) % 2 else side + step
    return [(side, side), (side, odd if odd != side else side + 2 * step)]


def _pictures(generator: Generator[Any], count: int, height: int, width: int) -> Any:
    """Return noise, each picture darker than the one before, so that statistics that leak between them show."""
    torch = _torch()
    low, high = generator.value_range
    return low + (high - low) * torch.rand(count, 3, height, width) / torch.arange(1, count + 1).view(-1, 1, 1, 1)


def _forward(generator: Generator[Any], network: Any, value: Any) -> Any:
    torch = _torch()
    try:
        output = network(value)
    except Exception as error:
        message = flatten(error)[:200]
        shape = tuple(value.shape)
        message = f"{generator.name}: the network fails on {shape} (size_multiple {generator.size_multiple}): {message}"
        raise AssertionError(message) from error
    kind = type(output).__name__
    assert isinstance(output, torch.Tensor), f"{generator.name}: the network returns a {kind}, not one tensor"
    return output


def _check_output(generator: Generator[Any], output: Any, repeated: Any, reloaded: Any) -> None:
    torch = _torch()
    assert torch.isfinite(output).all(), f"{generator.name}: the output holds values that are not finite"
    assert output.dtype == torch.float32, f"{generator.name}: the output is {output.dtype}, not float32"
    same = "the same input gives another output the second time, though in eval mode"
    _near(generator, repeated, output, same)
    _near(generator, reloaded, output, "another build with the same state dict gives another output")


def _check_range(generator: Generator[Any], output: Any) -> None:
    low, high = generator.value_range
    middle = float(output.median())
    slack = FAR * (high - low)
    near = low - slack <= middle <= high + slack
    assert near, f"{generator.name}: outputs lie around {middle:.3g}, far from its value_range ({low}, {high})"


def _near(generator: Generator[Any], one: Any, other: Any, what: str) -> None:
    low, high = generator.value_range
    difference = float((one - other).abs().max()) / (high - low) * 255
    assert one.shape == other.shape, f"{generator.name}: {what}"
    assert difference <= 1, f"{generator.name}: {what}, by up to {difference:.3g} grey levels; at most 1 is allowed"


def _check_reach(generator: Generator[Any], network: Any, size: int) -> None:
    """Check that a change of a picture's left edge changes the output within ``reach`` only, but for rounding."""
    reach, step = generator.reach, generator.size_multiple
    if reach == "global":
        return
    width = -(-(max(size, reach + MARGIN)) // step) * step
    if width > (generator.maximum_size or 1024):
        return
    one = _pictures(generator, 1, -(-16 // step) * step, width)
    low, high = generator.value_range
    other = one.clone()
    other[..., 0] = low + high - other[..., 0]
    beyond = (reach + 1) * generator.scale
    difference = (_forward(generator, network, one) - _forward(generator, network, other)).abs()[..., beyond:]
    largest = float(difference.max()) / (high - low) * 255
    message = f"an input pixel changes the output more than reach = {reach} pixels away, by {largest:.3g} grey levels"
    assert largest <= 0.05, f'{generator.name}: {message}; say a larger reach, or "global"'


def _check_encoder(generator: Generator[Any], network: Any, again: Any, size: int) -> None:
    """Encode two pictures, together and alone, to equal latents, within a thousandth of the largest value."""
    torch = _torch()
    shape = generator.latent_shape
    assert shape, f"{generator.name}: an encoder must say its latent_shape"
    assert len(shape) == 2, f"{generator.name}: the latent_shape of an encoder is (L, D), not {tuple(shape)}"
    side = generator.maximum_size or size
    batch = _pictures(generator, 2, side, side)
    both = _forward(generator, network, batch)
    got = tuple(both.shape)
    assert got == (2, *shape), f"{generator.name}: two pictures become {got}; its latent_shape is {tuple(shape)}"
    assert torch.isfinite(both).all(), f"{generator.name}: the output holds values that are not finite"
    assert both.dtype == torch.float32, f"{generator.name}: the output is {both.dtype}, not float32"
    alone = torch.cat([_forward(generator, network, batch[index : index + 1]) for index in range(2)])
    others = {
        "the same input gives another output the second time, though in eval mode": _forward(generator, network, batch),
        "another build with the same state dict gives another output": _forward(generator, again, batch),
        "a picture's output depends on the others in its batch": alone,
    }
    for what, other in others.items():
        difference = float((other - both).abs().max() / both.abs().max().clamp(min=1e-12))
        message = f"{generator.name}: {what}, by {difference:.2g} of the largest value; at most 0.001 is allowed"
        assert difference <= 1e-3, message


def _check_latent(generator: Generator[Any], parts: Mapping[str, Any], again: Mapping[str, Any]) -> None:
    torch = _torch()
    shape = generator.latent_shape
    assert shape, f"{generator.name}: {with_article(generator.kind)} must say its latent_shape"
    for count in (1, 2):
        value = torch.randn(count, *(shape[-1:] if "mapping" in parts else shape))
        for name in sorted(parts):  # "mapping" comes before "synthesis"
            output = _forward(generator, parts[name], value)
            assert len(output) == count, f"{generator.name}: part '{name}' gives {len(output)} results for {count}"
            repeated, reloaded = _forward(generator, parts[name], value), _forward(generator, again[name], value)
            _check_output(generator, output, repeated, reloaded)
            value = output
        if generator.kind != "mapping":
            picture = value.ndim == 4 and value.shape[1] == 3
            assert picture, f"{generator.name}: gives {tuple(value.shape)}; pictures are (N, 3, H, W)"
            _check_range(generator, value)
