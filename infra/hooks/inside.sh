#!/bin/sh
# `inside.sh DATABASE < FILE`: psql beside a database that has no public way in. A container runs once in the network's subnet for tools, and is
# removed. Needs PGHOST, PGUSER, PGPASSWORD (a token), RESOURCE_GROUP, and TOOLS_SUBNET_ID or GRANTS_SUBNET_ID in the environment.
set -eu
database=$1
box=archival-psql
subnet=${GRANTS_SUBNET_ID:-$TOOLS_SUBNET_ID}
image=${GRANTS_IMAGE:-mcr.microsoft.com/azurelinux/base/postgres:16}
encoded=$(grep -v '^ *--' | base64 | tr -d '\n')

removed() {
  az container delete -g "$RESOURCE_GROUP" -n "$box" --yes -o none
}
state() {
  az container show -g "$RESOURCE_GROUP" -n "$box" --query "containers[0].instanceView.currentState.$1" -o tsv
}
removed 2> /dev/null || true # what a run that was cut off has left
echo "psql runs in a container inside the network; a minute or two …" >&2
trap 'removed || echo "Remove it by hand: az container delete -g $RESOURCE_GROUP -n $box" >&2' EXIT
trap 'exit 130' INT TERM
az container create -g "$RESOURCE_GROUP" -n "$box" --image "$image" --os-type Linux --cpu 1 --memory 1 --restart-policy Never \
  --subnet "$subnet" --secure-environment-variables "PGPASSWORD=$PGPASSWORD" \
  --environment-variables "PGHOST=$PGHOST" "PGUSER=$PGUSER" PGSSLMODE=require "PGDATABASE=$database" "STATEMENTS=$encoded" \
  --command-line "sh -c 'echo \$STATEMENTS | base64 -d | psql -q -v ON_ERROR_STOP=1 -f -'" -o none || {
  echo "The container could not be made." >&2
  exit 1
}
looked=0
until [ "$(state state)" = Terminated ]; do
  looked=$((looked + 1))
  [ "$looked" -lt 60 ] || {
    echo "The container has not ended within ten minutes." >&2
    exit 1
  }
  sleep 10
done
az container logs -g "$RESOURCE_GROUP" -n "$box"
[ "$(state exitCode)" = 0 ] || {
  echo "psql has failed; its words stand above." >&2
  exit 1
}
