"""Microsoft Entra tokens as Redis passwords."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from redis.credentials import CredentialProvider

REDIS_SCOPE = "https://redis.azure.com/.default"


class EntraCredentials(CredentialProvider):
    """A Microsoft Entra token as the password of `user`, which is the object id of the identity. Asked at each connect.

    Redis ends a connection whose token has expired; the client connects again, with a new one.
    """

    def __init__(self, user: str, token: Callable[[], str]) -> None:
        self._user, self._token = user, token

    def get_credentials(self) -> tuple[str, str]:
        """What AUTH is given."""
        return self._user, self._token()

    async def get_credentials_async(self) -> tuple[str, str]:
        """The same, without holding up the loop."""
        return self._user, await asyncio.to_thread(self._token)
