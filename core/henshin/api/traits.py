"""Traits of stages and generators: class attributes that a plugin may also compute from its options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

ValueT = TypeVar("ValueT", covariant=True)


class trait(Generic[ValueT]):  # noqa: N801  a decorator, like property
    """Decorate a method that returns the default of a trait.

    A plugin overrides it by a class attribute (``reach = 21``) or by a property that looks at ``self.config``. On the
    class itself a default can be read too, so it must not depend on the options: ``self`` is then None.

    Type checkers see two things. To mypy a trait has the type that the method returns, and both kinds of override are
    checked against it. pyright lets no attribute override a descriptor of another type; it takes what ``__new__``
    returns for the type of the trait, so there a trait is Any and may be overridden by anything.
    """

    def __new__(cls, default: Callable[[Any], ValueT]) -> Any:  # noqa: D102, ARG004
        return super().__new__(cls)

    def __init__(self, default: Callable[[Any], ValueT]) -> None:
        self.default = default
        self.__doc__ = default.__doc__

    def __get__(self, instance: object, owner: type | None = None) -> ValueT:
        """Return the default."""
        return self.default(instance)
