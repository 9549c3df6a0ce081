"""Lazy import: a module that is imported when it is first used, because most programs never need it.

    if TYPE_CHECKING:
        from dulwich import pack
    else:
        pack = lazy_import("dulwich.pack")

    pack.apply_delta(base, delta)  # imports it, the first time

A command that lists a directory would otherwise wait for all that some other one
needs. Each use is in ``LATE`` of tests/test_layers.py, with what it spares.
"""

from importlib import import_module
from typing import Any


class _LazyModule:
    """Stands for a module: its names, imported when the first of them is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(import_module(self._name), attribute)
        setattr(self, attribute, value)  # the next look does not come here
        return value


def lazy_import(name: str) -> Any:
    """Return what stands for the module ``name``; importing it fails, if it must, at the first use."""
    return _LazyModule(name)
