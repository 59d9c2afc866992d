#!/bin/sh
# The database's role and grants. Takes the outputs of the deployment from the environment; may be run again.
set -eu
cd "$(dirname "$0")/../.."

if [ -n "${SOURCE_DATABASE_URL:-}" ]; then
  echo "The database was brought along: docs/bring.md says how steps 3 and 4 of docs/deploy.md are done there."
  exit 0
fi
by_hand() {
  echo "  $1 RESOURCE_GROUP=$RESOURCE_GROUP DATABASE_SERVER=$DATABASE_SERVER DATABASE_HOST=$DATABASE_HOST \\"
  echo "  IDENTITY_OBJECT_ID=$IDENTITY_OBJECT_ID DATABASE_ADMIN_NAME='$DATABASE_ADMIN_NAME' sh infra/hooks/postprovision.sh"
}
INSIDE_THE_NETWORK=${INSIDE_THE_NETWORK:-}
private=
[ "${PRIVATE_NETWORKING:-true}" != true ] || [ -n "$INSIDE_THE_NETWORK" ] || private=yes
if [ -n "$private" ] && [ -z "${GRANTS_SUBNET_ID:-}${TOOLS_SUBNET_ID:-}" ]; then
  echo "The database is reached from inside its network alone, and that network was brought along. Either name a subnet there that is delegated to"
  echo "Microsoft.ContainerInstance/containerGroups, with a way out to the internet, and run this again:"
  echo "  azd env set GRANTS_SUBNET_ID <resource id>; azd hooks run postprovision"
  echo "or run this on a machine in the network, where you are signed in to az:"
  by_hand INSIDE_THE_NETWORK=1
  exit 0
fi
# of a group one may be a member
if [ -n "${DATABASE_ADMIN_ID:-}" ] && [ "${DATABASE_ADMIN_TYPE:-User}" != Group ]; then
  me=$(az ad signed-in-user show --query id -o tsv 2> /dev/null) || {
    application=$(az account show --query user.name -o tsv)
    me=$(az ad sp show --id "$application" --query id -o tsv 2> /dev/null) || me=
  }
  if [ -n "$me" ] && [ "$me" != "$DATABASE_ADMIN_ID" ]; then
    echo "The administrator of the database is $DATABASE_ADMIN_NAME, and you are somebody else. In a clone of this repository, signed in to az, that one runs:"
    by_hand "PRIVATE_NETWORKING=${PRIVATE_NETWORKING:-true} TOOLS_SUBNET_ID=${GRANTS_SUBNET_ID:-${TOOLS_SUBNET_ID:-}}"
    echo "Until then the app has no way into the database, and says so."
    exit 0
  fi
fi
[ -n "$private" ] || command -v psql > /dev/null || {
  echo "psql is needed for the database's grants (Debian: apt-get install postgresql-client; macOS: brew install libpq && brew link --force libpq). Then: azd hooks run postprovision" >&2
  exit 1
}
pending=$(az postgres flexible-server parameter show -g "$RESOURCE_GROUP" -s "$DATABASE_SERVER" --name shared_preload_libraries \
  --query isConfigPendingRestart -o tsv)
if [ "$pending" = true ] || [ "$pending" = True ]; then
  echo "restarting the database, which loads TimescaleDB; a minute or two …"
  az postgres flexible-server restart -g "$RESOURCE_GROUP" -n "$DATABASE_SERVER"
fi
if [ -z "$private$INSIDE_THE_NETWORK" ]; then
  me=$(curl -fsS https://api.ipify.org)
  # the second is what Azure CLI wants before 2.86
  az postgres flexible-server firewall-rule create -g "$RESOURCE_GROUP" --server-name "$DATABASE_SERVER" --name me \
    --start-ip-address "$me" --end-ip-address "$me" -o none ||
    az postgres flexible-server firewall-rule create -g "$RESOURCE_GROUP" --name "$DATABASE_SERVER" --rule-name me \
      --start-ip-address "$me" --end-ip-address "$me" -o none
fi
export PGHOST="$DATABASE_HOST" PGUSER="$DATABASE_ADMIN_NAME" PGSSLMODE=require PGCONNECT_TIMEOUT=30
PGPASSWORD=$(az account get-access-token --resource-type oss-rdbms --query accessToken -o tsv)
export PGPASSWORD
statements() {
  echo "\\set identity $IDENTITY_OBJECT_ID"
  echo "\\set connections ${DATABASE_CONNECTIONS:-200}"
  cat infra/hooks/database.sql docs/grants.sql
  echo "grant usage, create on schema data to data_owner;"
}
if [ -n "$private" ]; then
  statements | sh infra/hooks/inside.sh postgres
else
  looked=0
  until psql -qAtd postgres -c 'select 1' > /dev/null < /dev/null; do
    looked=$((looked + 1))
    [ "$looked" -lt 10 ] || {
      echo "The database does not let anybody in from here: see the table in docs/deploy.md, step 4. Then: azd hooks run postprovision" >&2
      exit 1
    }
    echo "A rule of the firewall takes up to five minutes, a restart one or two …"
    sleep 20
  done
  statements | psql -qd postgres -f - || {
    echo "psql has failed; its words stand above." >&2
    exit 1
  }
fi
echo "The service may archive, remove and restore the tables of data_owner in schema data; docs/deploy.md says how tables become that."
