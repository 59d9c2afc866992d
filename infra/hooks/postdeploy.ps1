# The same as postdeploy.sh, for Windows.
Write-Host @"
The console: $env:API_URL/dashboard
It asks for a key:
  az functionapp keys list -g $env:RESOURCE_GROUP -n $env:FUNCTION_APP --query functionKeys.default -o tsv
The command line, with the same key (in the clone; it wants Python 3.13):
  pipx install .
  az functionapp keys list -g $env:RESOURCE_GROUP -n $env:FUNCTION_APP --query functionKeys.default -o tsv | archival login $env:API_URL
  archival status
Tables and their first chunk: docs/deploy.md, the end of step 4, and step 6.
"@
