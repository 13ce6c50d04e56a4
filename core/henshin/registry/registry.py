"""The registry of plugins: maps names to stages, generators and recipes, and each of these to its plugin.

Plugins come from the entry-point group ``henshin`` or from a file. Registration is all or nothing: a plugin is
registered in a plugin manager of its own first, so that one that is refused leaves nothing behind.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pluggy

from henshin.api import hookspecs
from henshin.api.generator import Generator
from henshin.api.recipe import Recipe
from henshin.api.stage import Stage
from henshin.errors import HenshinError
from henshin.registry.checks import class_problem
from henshin.text import did_you_mean, near_or_all, one_line

KINDS = {"henshin_stages": "stage", "henshin_generators": "generator", "henshin_recipes": "recipe"}

_NO_PACKAGE = "the folder has no __init__.py; name a .py file in it, or give it one"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin. ``origin`` is the name of a distribution or a file, ``version`` that of either.

    The version of a file is a hash of its content, so that results made with another content are not up to date.
    """

    name: str
    origin: str = ""
    version: str = ""
    module: object = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        version = "" if self.version.startswith("sha256:") else self.version
        origin = " ".join(part for part in (self.origin, version) if part)
        return f"{self.name} ({origin})" if origin else self.name


class Registry:
    """The classes that plugins registered, by name.

    ``stages``, ``generators`` and ``recipes`` map names to classes; ``owners`` maps ("stage", name) to the plugin that
    registered it; ``plugins`` holds the registered plugins by name, ``problems`` a line for each refused one.
    """

    def __init__(self) -> None:
        self.stages: dict[str, type[Stage[Any]]] = {}
        self.generators: dict[str, type[Generator[Any]]] = {}
        self.recipes: dict[str, type[Recipe[Any]]] = {}
        self.owners: dict[tuple[str, str], Plugin] = {}
        self.plugins: dict[str, Plugin] = {}
        self.problems: list[str] = []
        self.manager = _manager()

    def stage(self, name: str) -> type[Stage[Any]]:
        """Return the stage class of this name. Errors: HenshinError with similar names."""
        return self._get("stage", self.stages, name)

    def generator(self, name: str) -> type[Generator[Any]]:
        """Return the generator class of this name. Errors: HenshinError with similar names."""
        return self._get("generator", self.generators, name)

    def recipe(self, name: str) -> type[Recipe[Any]]:
        """Return the recipe class of this name. Errors: HenshinError with similar names."""
        return self._get("recipe", self.recipes, name)

    def _get(self, kind: str, classes: dict[str, type[Any]], name: str) -> type[Any]:
        if name in classes:
            return classes[name]
        failed = " (not every plugin could be loaded: see `henshin plugins`)" if self.problems else ""
        hint = "" if did_you_mean(name, classes) else "; a plugin that is not installed is named with --plugin FILE"
        raise HenshinError(f"no {kind} named '{name}'{near_or_all(name, classes)}{hint}{failed}")

    def register(self, module: object, name: str, origin: str = "", version: str = "") -> Plugin:
        """Register a plugin: a module, or any object with hooks.

        Errors: HenshinError, naming the plugin, when its name is taken, a hook is unknown, fails or returns something
        else than a list of valid classes, or the name of a class is taken. Nothing of it is registered then.
        """
        plugin = Plugin(name, origin, version, module)
        if name in self.plugins:
            raise HenshinError(f"plugin {plugin}: its name is taken by {self.plugins[name]}")
        for other in self.plugins.values():
            if other.module is module:
                raise HenshinError(f"plugin {plugin}: is registered already, as {other}")
        classes = _collect_classes(plugin)
        self._check_names(plugin, classes)
        self.manager.register(module, name)
        self.plugins[name] = plugin
        tables: dict[str, dict[str, Any]] = {
            "stage": self.stages,
            "generator": self.generators,
            "recipe": self.recipes,
        }
        for kind, cls in classes:
            tables[kind][cls.name] = cls
            self.owners[kind, cls.name] = plugin
        return plugin

    def _check_names(self, plugin: Plugin, classes: Iterable[tuple[str, type[Any]]]) -> None:
        names: set[tuple[str, str]] = set()
        for kind, cls in classes:
            key = (kind, cls.name)
            if key in self.owners:
                raise HenshinError(f"plugin {plugin}: the {kind} name '{cls.name}' is taken by {self.owners[key]}")
            if key in names:
                raise HenshinError(f"plugin {plugin}: registers two {kind}s named '{cls.name}'")
            names.add(key)

    def load_entry_points(self) -> None:
        """Register every plugin in the entry-point group ``henshin`` of the installed distributions.

        One that cannot be imported or is refused becomes a line in ``problems``; the others are not affected.
        """
        for origin, version, entry in sorted(_entry_points(), key=_plugin_order):
            name = entry.name if entry.name not in self.plugins else f"{origin}/{entry.name}"
            try:
                module = entry.load()
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a plugin that calls sys.exit() at import must not end henshin either
                self.problems.append(f"plugin {Plugin(name, origin, version)}: cannot be imported: {one_line(error)}")
                continue
            try:
                self.register(module, name, origin, version)
            except HenshinError as error:
                self.problems.append(str(error))

    def load_file(self, path: Path | str) -> Plugin:
        """Register a plugin from a .py file, a package folder, or a module by its dotted name.

        Errors: HenshinError with the reason in one line.
        """
        try:
            module, version = _import_path(path)
        except (KeyboardInterrupt, HenshinError):
            raise
        except BaseException as error:  # see load_entry_points
            raise HenshinError(f"plugin {path}: cannot be imported: {one_line(error)}") from error
        file = Path(path)
        name = file.parent.name if file.name == "__init__.py" else file.stem if file.suffix == ".py" else file.name
        return self.register(module, name if name not in self.plugins else str(path), str(path), version)


def build_registry(plugin_files: Sequence[Path] = ()) -> Registry:
    """Return a registry with all installed plugins and those of the given files.

    Errors: HenshinError when one of the files is refused; installed plugins that fail only become ``problems``.
    """
    registry = Registry()
    registry.load_entry_points()
    for path in plugin_files:
        registry.load_file(path)
    return registry


def _plugin_order(found: tuple[str, str, importlib.metadata.EntryPoint]) -> tuple[bool, str, str]:
    """Return a sort key by name, henshin's own plugins first, so that no other plugin can take their names."""
    distribution, _, entry = found
    return distribution != hookspecs.PROJECT, distribution, entry.name


def _entry_points() -> list[tuple[str, str, importlib.metadata.EntryPoint]]:
    """Return (name, version) of the distribution and the entry point of each plugin; metadata are parsed only once."""
    known: dict[int, tuple[str, str]] = {}
    entries = []
    for entry in importlib.metadata.entry_points(group=hookspecs.PROJECT):
        if id(entry.dist) not in known:
            metadata = entry.dist.metadata if entry.dist else {"Name": "", "Version": ""}
            known[id(entry.dist)] = metadata["Name"], metadata["Version"]
        entries.append((*known[id(entry.dist)], entry))
    return entries


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _collect_classes(plugin: Plugin) -> list[tuple[str, type[Any]]]:
    """Register a plugin in a manager of its own and return its (kind, class) pairs, checked. Errors: HenshinError."""
    manager = _manager()
    try:
        manager.register(plugin.module, plugin.name)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        raise HenshinError(f"plugin {plugin}: {_hook_reason(plugin, manager, error)}") from error
    classes = [(KINDS[hook], cls) for hook in KINDS for cls in _call_hook(plugin, getattr(manager.hook, hook))]
    if not manager.get_hookcallers(plugin.module):
        raise HenshinError(f"plugin {plugin}: has no hook; {_missing_hook_hint(plugin.module)}")
    return classes


def _hook_reason(plugin: Plugin, manager: pluggy.PluginManager, error: Exception) -> str:
    """Return the reason of a hook error: the unknown hook with similar names, else pluggy's message in one line."""
    for caller in manager.get_hookcallers(plugin.module) or ():
        if not caller.has_spec():
            return f"unknown hook '{caller.name}'{near_or_all(caller.name, KINDS)}"
    text = str(error).splitlines()
    return f"has a wrong hook: {'; '.join(line.strip() for line in text if line.strip())}"


def _missing_hook_hint(module: object) -> str:
    """Return a hint for a plugin without any hook."""
    for name in KINDS:
        if callable(inspect.getattr_static(module, name, None)):
            return f"put @hookimpl above {name}()"
    return f"define one of {', '.join(f'{name}()' for name in KINDS)} with @hookimpl above it"


def _call_hook(plugin: Plugin, hook: pluggy.HookCaller) -> list[type[Any]]:
    """Call a plugin's hook directly: pluggy would drop a None, and accept the result of a wrapper."""
    classes: list[type[Any]] = []
    for implementation in hook.get_hookimpls():
        try:
            result: object = implementation.function()
            # The Configs of henshin's own classes are built by its tests, those of other plugins here, before a run.
            problem = _result_problem(KINDS[hook.name], result, trusted=plugin.origin == hookspecs.PROJECT)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # see load_entry_points
            raise HenshinError(f"plugin {plugin}: {hook.name}() failed: {one_line(error)}") from error
        if problem:
            raise HenshinError(f"plugin {plugin}: {hook.name}(): {problem}")
        classes += cast("list[type[Any]]", result)
    return classes


def _result_problem(kind: str, result: object, trusted: bool) -> str | None:
    """Return the problem with the result of a hook, or None."""
    if not isinstance(result, list | tuple):
        return f"returned a {type(result).__name__}; it must return a list of classes"
    return next((problem for cls in result if (problem := class_problem(kind, cls, trusted))), None)


def _import_path(path: Path | str) -> tuple[ModuleType, str]:
    """Import the file, folder or module that ``--plugin`` names and return it with its version."""
    file = Path(path)
    if file.is_dir():
        file = file / "__init__.py"
    if file.is_file():
        sources = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
        version = sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
        return _execute(file.resolve(), file.read_bytes()), f"sha256:{version}"
    dotted = str(path)
    if not all(part.isidentifier() for part in dotted.split(".")) or dotted.endswith(".py"):
        if Path(path).is_dir():
            raise HenshinError(f"plugin {path}: {_NO_PACKAGE}")
        raise HenshinError(f"plugin {path}: no such file; name a .py file, a package folder or a module")
    module = _import_name(dotted)
    return module, str(getattr(module, "__version__", ""))


def _import_name(dotted: str) -> ModuleType:
    """Import a module by its name. Errors: HenshinError when there is none, or only a folder of this name."""
    top = dotted.partition(".")[0]
    spec = importlib.util.find_spec(top)
    # A folder on the path without __init__.py would be imported too, as an empty namespace.
    if Path(dotted).is_dir() and (spec is None or spec.origin is None):
        raise HenshinError(f"plugin {dotted}: {_NO_PACKAGE}")
    if spec is None:
        raise HenshinError(f"plugin {dotted}: there is no such file, folder or installed module")
    return importlib.import_module(dotted)


def _execute(file: Path, source: bytes) -> ModuleType:
    """Run a file as a module.

    It is compiled here and not imported, which would leave a __pycache__ next to the user's file. It is added to
    ``sys.modules`` because pydantic looks there for the names in a class's annotations.
    """
    name = f"henshin_file_{file.stem}_{sha256(bytes(file)).hexdigest()[:8]}"
    folder = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=folder)
    if spec is None:
        raise HenshinError(f"plugin {file}: is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        exec(compile(source, str(file), "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module
