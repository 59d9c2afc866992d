"""The credential of the lake's account: its key, or the identity of the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure.core.credentials import AzureNamedKeyCredential

if TYPE_CHECKING:
    from azure.identity.aio import DefaultAzureCredential


def credential_for(account: str, key: str | None) -> AzureNamedKeyCredential | DefaultAzureCredential:
    """What the SDK's clients take; the identity of the app where there is no `key`."""
    if key:
        return AzureNamedKeyCredential(account, key)
    # imported where it is needed: a lake with a key does without
    from azure.identity.aio import DefaultAzureCredential

    return DefaultAzureCredential()


async def close(credential: AzureNamedKeyCredential | DefaultAzureCredential | None) -> None:
    """Close the connections of an identity; a key has none."""
    if credential is not None and not isinstance(credential, AzureNamedKeyCredential):
        await credential.close()
