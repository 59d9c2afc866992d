"""Redis with Microsoft Entra: the token is the password of the URL's user, and each connection has one of its own."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from archival_core.clients.redis.credentials import EntraCredentials
from archival_core.clients.redis.messaging import MessagingClient

NAMES = {"events": "e", "group": "g", "results": "r", "dead": "d"}
USER = "00000000-1111-2222-3333-444444444444"


def _provider(url: str) -> EntraCredentials | None:
    client = MessagingClient.open(url, **NAMES, token=lambda: "a token")
    provider = client._redis.connection_pool.connection_kwargs.get("credential_provider")
    assert provider is None or isinstance(provider, EntraCredentials)
    return provider


async def test_a_url_with_a_user_and_no_password_asks_for_a_token() -> None:
    provider = _provider(f"rediss://{USER}@acme.redis.azure.net:10000")
    assert provider is not None
    assert provider.get_credentials() == await provider.get_credentials_async() == (USER, "a token")


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:6379/0",
        "rediss://acme.redis.azure.net:10000",
        "rediss://:secret@acme.redis.azure.net:10000",
        "rediss://user:secret@acme.redis.azure.net:10000",
        "rediss://user:@acme.redis.azure.net:10000",
        # in plain text nobody is sent a token
        f"redis://{USER}@acme.redis.azure.net:6379",
    ],
)
def test_any_other_url_is_used_as_it_is(url: str) -> None:
    assert _provider(url) is None


async def test_a_server_that_ends_a_connection_is_given_a_new_token(redis_url: str) -> None:
    tokens = iter(["first", "second", "third"])
    given: list[str] = []

    def token() -> str:
        given.append(next(tokens))
        return given[-1]

    async with Redis.from_url(redis_url) as admin:
        await admin.acl_setuser(USER, enabled=True, passwords=["+first", "+second"], keys="*", commands=["+@all"])
        parts = urlsplit(redis_url)
        async with Redis(host=parts.hostname, port=parts.port, credential_provider=EntraCredentials(USER, token)) as redis:  # type: ignore[arg-type]
            assert await redis.ping()
            assert await redis.ping()
            assert given == ["first"]
            await admin.client_kill_filter(user=USER)
            assert await redis.ping()
            assert given == ["first", "second"]
        await admin.acl_deluser(USER)


async def test_a_wrong_token_is_refused(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as admin:
        await admin.acl_setuser(USER, enabled=True, passwords=["+right"], keys="*", commands=["+@all"])
        parts = urlsplit(redis_url)
        credentials = EntraCredentials(USER, lambda: "wrong")
        async with Redis(host=parts.hostname, port=parts.port, credential_provider=credentials) as redis:  # type: ignore[arg-type]
            with pytest.raises(AuthenticationError):
                await redis.ping()
        await admin.acl_deluser(USER)
