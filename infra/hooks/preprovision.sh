#!/bin/sh
# Whoever deploys becomes the administrator of the database that is made, and may look at the lake's files, unless somebody else is named.
set -eu
if [ -n "${AZURE_SUBSCRIPTION_ID:-}" ]; then
  subscription=$(az account show --query id -o tsv) || subscription=
  [ -z "$subscription" ] || [ "$subscription" = "$AZURE_SUBSCRIPTION_ID" ] || {
    echo "azd deploys to another subscription than az is in, and what follows asks az: az account set --subscription $AZURE_SUBSCRIPTION_ID" >&2
    exit 1
  }
fi
[ -z "${DATABASE_ADMIN_ID:-}${DATABASE_ADMIN_NAME:-}" ] || exit 0

nobody() {
  [ -z "${SOURCE_DATABASE_URL:-}" ] || exit 0
  echo "Who administers the database? Sign in with 'az login', or: azd env set DATABASE_ADMIN_ID <object id>; azd env set DATABASE_ADMIN_NAME <name>" >&2
  exit 1
}
kind=$(az account show --query user.type -o tsv) || nobody
if [ "$kind" = servicePrincipal ]; then
  app=$(az account show --query user.name -o tsv) || nobody
  id=$(az ad sp show --id "$app" --query id -o tsv) || nobody
  name=$(az ad sp show --id "$app" --query displayName -o tsv) || nobody
  type=ServicePrincipal
else
  id=$(az ad signed-in-user show --query id -o tsv) || nobody
  name=$(az ad signed-in-user show --query userPrincipalName -o tsv) || nobody
  type=User
fi
azd env set DATABASE_ADMIN_ID "$id"
azd env set DATABASE_ADMIN_NAME "$name"
azd env set DATABASE_ADMIN_TYPE "$type"
