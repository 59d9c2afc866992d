#!/bin/sh
# The database's role and grants, and what comes next. Takes the outputs of the deployment from the environment; may be run again.
set -eu
cd "$(dirname "$0")/../.."

if [ -n "${SOURCE_DATABASE_URL:-}" ]; then
  echo "The database was brought along: steps 3 and 4 of docs/deploy.md, there."
elif [ "${PRIVATE_NETWORKING:-true}" = true ] && [ -z "${INSIDE_THE_NETWORK:-}" ]; then
  echo "The database is reached from inside its network alone. There, with the same values:"
  echo "  INSIDE_THE_NETWORK=1 RESOURCE_GROUP=$RESOURCE_GROUP DATABASE_SERVER=$DATABASE_SERVER DATABASE_HOST=$DATABASE_HOST \\"
  echo "  IDENTITY_OBJECT_ID=$IDENTITY_OBJECT_ID DATABASE_ADMIN_NAME='$DATABASE_ADMIN_NAME' API_URL=$API_URL sh infra/hooks/postprovision.sh"
  exit 0
else
  command -v psql > /dev/null || { echo "psql is needed for the database's grants (Debian: apt-get install postgresql-client)" >&2; exit 1; }
  pending=$(az postgres flexible-server parameter show -g "$RESOURCE_GROUP" -s "$DATABASE_SERVER" --name shared_preload_libraries \
    --query isConfigPendingRestart -o tsv)
  if [ "$pending" = true ] || [ "$pending" = True ]; then
    echo "restarting the database, which loads TimescaleDB …"
    az postgres flexible-server restart -g "$RESOURCE_GROUP" -n "$DATABASE_SERVER"
  fi
  if [ -z "${INSIDE_THE_NETWORK:-}" ]; then
    me=$(curl -s https://api.ipify.org)
    az postgres flexible-server firewall-rule create -g "$RESOURCE_GROUP" --server-name "$DATABASE_SERVER" --name me \
      --start-ip-address "$me" --end-ip-address "$me" -o none
  fi
  export PGHOST="$DATABASE_HOST" PGUSER="$DATABASE_ADMIN_NAME" PGSSLMODE=require
  PGPASSWORD=$(az account get-access-token --resource-type oss-rdbms --query accessToken -o tsv)
  export PGPASSWORD
  psql -qd postgres -v ON_ERROR_STOP=1 -c "select pgaadauth_create_principal_with_oid('archival_service', '$IDENTITY_OBJECT_ID', 'service', false, false)
    where not exists (select from pg_roles where rolname = 'archival_service')" > /dev/null
  psql -qd postgres -c "alter role archival_service connection limit ${DATABASE_CONNECTIONS:-200}" \
    || echo "The role has no connection limit: the administrator may not alter it. The template's own bound holds."
  psql -qd tsdb -v ON_ERROR_STOP=1 -c 'create extension if not exists timescaledb' -c 'create schema if not exists data' \
    -f docs/grants.sql -c 'grant usage, create on schema data to data_owner'
  echo "The service may archive, remove and restore the tables of data_owner in schema data; docs/deploy.md says how tables become that."
fi
echo "The console, once the app is published: $API_URL/dashboard. Its key:"
echo "  az functionapp keys list -g $RESOURCE_GROUP -n ${FUNCTION_APP:-<app>} --query functionKeys.default -o tsv"
