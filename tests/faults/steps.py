"""Named steps of the service, and what can be made to happen at one of them.

A step is a call of a public function or method of the rooms that touch other systems (`clients`, `lake`, `ledger`, `source`),
an SQL statement, or the end of a transaction; each is met before and after its effect. They are found by looking at the code
that is there, so a new one is covered by itself.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg import sql

import archival_core
import archival_core.clients
import archival_core.lake
import archival_core.ledger
import archival_core.source

When = Literal["before", "after"]

#: The end of a context is a step, the beginning too.
_SPECIAL = {"__aenter__", "__aexit__"}


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """The `occurrence`-th time that a step of this name is met in one invocation, from 0."""

    name: str
    occurrence: int
    when: When

    def __str__(self) -> str:
        return f"{self.when} {self.name} #{self.occurrence}"


#: called at each step, before and after
Listener = Callable[[Step], None]


def install(listener: Listener) -> Callable[[], None]:
    """Put `listener` around every step of this process, for good. What it returns begins to count anew."""
    met: Counter[tuple[str, When]] = Counter()

    def reached(name: str, when: When) -> None:
        occurrence = met[name, when]
        met[name, when] += 1
        listener(Step(name, occurrence, when))

    wrapped: dict[Any, Any] = {}
    for module in _modules(archival_core.clients, archival_core.lake, archival_core.ledger, archival_core.source):
        for owner, name, function in _public_functions(module):
            step = _around(f"{_label(module.__name__)}.{function.__qualname__}", function, reached)
            setattr(owner, name, step)
            wrapped[function] = step
    # `from … import function` has made more names for it
    for module in [module for name, module in sys.modules.items() if name.startswith("archival_core")]:
        for name, value in list(vars(module).items()):
            if inspect.isfunction(value) and value in wrapped:
                setattr(module, name, wrapped[value])
    _instrument_sql(reached)
    return met.clear


def _modules(*packages: Any) -> Iterator[Any]:
    for package in packages:
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            yield importlib.import_module(found.name)


def _label(module: str) -> str:
    """The room and the file: `lake.client` of `archival_core.lake.client`."""
    return ".".join(module.split(".")[-2:])


def _public_functions(module: Any) -> Iterator[tuple[Any, str, Any]]:
    for name, value in list(vars(module).items()):
        if getattr(value, "__module__", None) != module.__name__ or name.startswith("_"):
            continue
        if inspect.isclass(value):
            for method, function in list(vars(value).items()):
                if _is_step(function) and (method in _SPECIAL or not method.startswith("_")):
                    yield value, method, function
        elif _is_step(value):
            yield module, name, value


def _is_step(function: Any) -> bool:
    return (
        inspect.iscoroutinefunction(function)
        or inspect.isasyncgenfunction(function)
        or (inspect.isgeneratorfunction(function) and not hasattr(function, "__wrapped__"))
    )


def _around(name: str, function: Any, reached: Callable[[str, When], None]) -> Any:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            reached(name, "before")
            result = await function(*args, **kwargs)
            reached(name, "after")
            return result

        return call
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def pages(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            reached(name, "before")
            async for item in function(*args, **kwargs):
                yield item
            reached(name, "after")

        return pages

    @functools.wraps(function)
    def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
        reached(name, "before")
        source = function(*args, **kwargs)
        try:
            for item in source:
                yield item
                reached(f"{name} item", "after")
        finally:
            source.close()
        reached(name, "after")

    return stream


def _instrument_sql(reached: Callable[[str, When], None]) -> None:
    execute, leave = psycopg.AsyncCursor.execute, psycopg.AsyncTransaction.__aexit__

    @functools.wraps(execute)
    async def counted_execute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        name = f"sql: {_beginning(query)}"
        reached(name, "before")
        result = await execute(self, query, *args, **kwargs)
        reached(name, "after")
        return result

    @functools.wraps(leave)
    async def counted_leave(self: Any, kind: Any, *rest: Any) -> Any:
        name = "sql: end of transaction" if kind is None else "sql: rollback"
        reached(name, "before")
        result = await leave(self, kind, *rest)
        reached(name, "after")
        return result

    psycopg.AsyncCursor.execute = counted_execute  # type: ignore[method-assign]
    psycopg.AsyncTransaction.__aexit__ = counted_leave  # type: ignore[method-assign,assignment]


def _beginning(query: Any) -> str:
    if isinstance(query, sql.Composable):
        text = query.as_string(None)
    else:
        text = query.decode(errors="replace") if isinstance(query, bytes) else str(query)
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("--")]
    return " ".join(" ".join(lines).split()[:4])[:48] or "(empty)"
