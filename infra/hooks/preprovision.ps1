# The same as preprovision.sh, for Windows.
$ErrorActionPreference = 'Stop'
if ("$env:DATABASE_ADMIN_ID$env:DATABASE_ADMIN_NAME") { exit 0 }

function Ask {
  $answer = az @args -o tsv
  if ($LASTEXITCODE -ne 0 -or -not $answer) {
    if ($env:SOURCE_DATABASE_URL) { exit 0 }
    throw "Who administers the database? Sign in with 'az login', or: azd env set DATABASE_ADMIN_ID <object id>; azd env set DATABASE_ADMIN_NAME <name>"
  }
  $answer
}
if ((Ask account show --query user.type) -eq 'servicePrincipal') {
  $app = Ask account show --query user.name
  $id = Ask ad sp show --id $app --query id
  $name = Ask ad sp show --id $app --query displayName
  $type = 'ServicePrincipal'
} else {
  $id = Ask ad signed-in-user show --query id
  $name = Ask ad signed-in-user show --query userPrincipalName
  $type = 'User'
}
azd env set DATABASE_ADMIN_ID $id
azd env set DATABASE_ADMIN_NAME $name
azd env set DATABASE_ADMIN_TYPE $type
