"""Microsoft Entra tokens, where a password would be."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from archival_core.errors import AwayError

if TYPE_CHECKING:
    from azure.identity import DefaultAzureCredential


@cache
def _credential() -> DefaultAzureCredential:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


def token_source(scope: str, dependency: str) -> Callable[[], str]:
    """A function that returns a token for `scope` that is valid now; it blocks while it asks (the library caches).

    It raises `AwayError` of `dependency` (`no-token`): an identity that is not there yet may be assigned, and
    Microsoft Entra may be away.
    """

    def token() -> str:
        from azure.core.exceptions import AzureError, ClientAuthenticationError

        try:
            return _credential().get_token(scope).token
        except ClientAuthenticationError as error:
            # the library's message is a page long and names every way it tried
            raise AwayError(
                "the URL has no password, so a Microsoft Entra token was asked for, and there is none: give the app an"
                " identity, or the URL a password (an empty one, user:@host, for a server that asks for none)",
                code="no-token",
                dependency=dependency,
            ) from error
        except AzureError as error:
            # only an identity that has had a token comes here: the library's first failure is always one of authentication
            raise AwayError(
                f"no Microsoft Entra token came: the endpoint does not answer, or answers without one: {type(error).__name__}",
                code="no-token",
                dependency=dependency,
            ) from error

    return token
