# The same as preprovision.sh, for Windows.
$ErrorActionPreference = 'Stop'
if ($env:AZURE_SUBSCRIPTION_ID) {
  $subscription = az account show --query id -o tsv
  if ($subscription -and $subscription -ne $env:AZURE_SUBSCRIPTION_ID) {
    throw "azd deploys to another subscription than az is in, and what follows asks az: az account set --subscription $env:AZURE_SUBSCRIPTION_ID"
  }
}
if ("$env:DATABASE_ADMIN_ID$env:DATABASE_ADMIN_NAME") { exit 0 }

function Ask {
  $answer = az @args -o tsv
  if ($LASTEXITCODE -ne 0 -or -not $answer) {
    if ($env:SOURCE_DATABASE_URL) { exit 0 }
    throw "Who administers the database? Sign in with 'az login', or: azd env set DATABASE_ADMIN_ID <object id>; azd env set DATABASE_ADMIN_NAME <name>"
  }
  $answer
}
function Run($program) {
  & $program @args
  if ($LASTEXITCODE -ne 0) { throw "$program $args failed" }
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
Run azd env set DATABASE_ADMIN_ID $id
Run azd env set DATABASE_ADMIN_NAME $name
Run azd env set DATABASE_ADMIN_TYPE $type
