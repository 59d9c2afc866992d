#!/bin/sh
# Where to look, and what to do first.
set -eu
cat << END
The console: $API_URL/dashboard
It asks for a key:
  az functionapp keys list -g $RESOURCE_GROUP -n $FUNCTION_APP --query functionKeys.default -o tsv
The command line, with the same key (in the clone; it wants Python 3.13):
  pipx install .
  az functionapp keys list -g $RESOURCE_GROUP -n $FUNCTION_APP --query functionKeys.default -o tsv | archival login $API_URL
  archival status
Tables and their first chunk: docs/deploy.md, the end of step 4, and step 6.
END
