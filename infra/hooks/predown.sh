#!/bin/sh
# `azd down` deletes whole resource groups: those of the deployment, and also that of a lake that was brought along.
set -eu
[ -n "${RESOURCE_GROUP:-}" ] || exit 0
if [ -n "${LAKE_ACCOUNT_ID:-}" ]; then
  echo "The lake was brought along, and azd down would delete its resource group with all that is in it. This deletes the group of the template alone:" >&2
  echo "  az group delete -n $RESOURCE_GROUP" >&2
  exit 1
fi
locked=$(az lock list -g "$RESOURCE_GROUP" --resource-type Microsoft.Storage/storageAccounts --resource-name "$LAKE_ACCOUNT" \
  --query "[?name=='archives'].name" -o tsv) || locked=
[ -z "$locked" ] || {
  echo "Archives would be deleted too, and a lock on the lake forbids it. Whoever means it deletes the lock first:" >&2
  echo "  az lock delete --name archives -g $RESOURCE_GROUP --resource-type Microsoft.Storage/storageAccounts --resource-name $LAKE_ACCOUNT" >&2
  exit 1
}
