"""Microsoft Entra tokens, where a password would be."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.identity import DefaultAzureCredential


@cache
def _credential() -> DefaultAzureCredential:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


def token_source(scope: str) -> Callable[[], str]:
    """A function that returns a token for `scope` that is valid now; it blocks while it asks (the library caches)."""

    def token() -> str:
        return _credential().get_token(scope).token

    return token
