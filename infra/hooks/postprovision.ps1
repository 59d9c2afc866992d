# The same as postprovision.sh, for Windows.
$ErrorActionPreference = 'Stop'
Set-Location (Join-Path $PSScriptRoot '../..')

function Run($program) {
  & $program @args
  if ($LASTEXITCODE -ne 0) { throw "$program $args failed" }
}
function Show {
  $args + 'RESOURCE_GROUP', 'DATABASE_SERVER', 'DATABASE_HOST', 'IDENTITY_OBJECT_ID', 'DATABASE_ADMIN_NAME' |
    ForEach-Object { Write-Host "  $_=$([Environment]::GetEnvironmentVariable($_))" }
}
if ($env:SOURCE_DATABASE_URL) {
  Write-Host 'The database was brought along: docs/bring.md says how steps 3 and 4 of docs/deploy.md are done there.'
  exit 0
}
$private = (-not $env:PRIVATE_NETWORKING -or $env:PRIVATE_NETWORKING -eq 'true') -and -not $env:INSIDE_THE_NETWORK
if ($private -and -not "$env:GRANTS_SUBNET_ID$env:TOOLS_SUBNET_ID") {
  Write-Host 'The database is reached from inside its network alone, and that network was brought along. Either name a subnet there that is delegated to'
  Write-Host 'Microsoft.ContainerInstance/containerGroups, with a way out to the internet, and run this again:'
  Write-Host '  azd env set GRANTS_SUBNET_ID <resource id>; azd hooks run postprovision'
  Write-Host 'or run infra/hooks/postprovision.ps1 on a machine in the network, where you are signed in to az, with INSIDE_THE_NETWORK=1 and these values:'
  Show
  exit 0
}
# of a group one may be a member
if ($env:DATABASE_ADMIN_ID -and $env:DATABASE_ADMIN_TYPE -ne 'Group') {
  $me = az ad signed-in-user show --query id -o tsv 2> $null
  if ($LASTEXITCODE -ne 0) {
    $application = az account show --query user.name -o tsv
    $me = az ad sp show --id $application --query id -o tsv 2> $null
  }
  if ($me -and $me -ne $env:DATABASE_ADMIN_ID) {
    Write-Host "The administrator of the database is $env:DATABASE_ADMIN_NAME, and you are somebody else. In a clone of this repository, signed in to az, that one runs infra/hooks/postprovision.ps1 with these values:"
    Show 'PRIVATE_NETWORKING' 'GRANTS_SUBNET_ID' 'TOOLS_SUBNET_ID'
    Write-Host 'Until then the app has no way into the database, and says so.'
    exit 0
  }
}
if (-not $private -and -not (Get-Command psql -ErrorAction SilentlyContinue)) {
  throw "psql is needed for the database's grants: it comes with PostgreSQL's installer for Windows. Then: azd hooks run postprovision"
}
$pending = Run az postgres flexible-server parameter show -g $env:RESOURCE_GROUP -s $env:DATABASE_SERVER --name shared_preload_libraries --query isConfigPendingRestart -o tsv
if ($pending -eq 'true') {
  Write-Host 'restarting the database, which loads TimescaleDB; a minute or two …'
  Run az postgres flexible-server restart -g $env:RESOURCE_GROUP -n $env:DATABASE_SERVER
}
if (-not $private -and -not $env:INSIDE_THE_NETWORK) {
  $me = Invoke-RestMethod https://api.ipify.org
  az postgres flexible-server firewall-rule create -g $env:RESOURCE_GROUP --server-name $env:DATABASE_SERVER --name me --start-ip-address $me --end-ip-address $me -o none
  # what Azure CLI wants before 2.86
  if ($LASTEXITCODE -ne 0) { Run az postgres flexible-server firewall-rule create -g $env:RESOURCE_GROUP --name $env:DATABASE_SERVER --rule-name me --start-ip-address $me --end-ip-address $me -o none }
}
$env:PGHOST = $env:DATABASE_HOST; $env:PGUSER = $env:DATABASE_ADMIN_NAME; $env:PGSSLMODE = 'require'; $env:PGCONNECT_TIMEOUT = '30'
$env:PGPASSWORD = Run az account get-access-token --resource-type oss-rdbms --query accessToken -o tsv
$connections = if ($env:DATABASE_CONNECTIONS) { $env:DATABASE_CONNECTIONS } else { 200 }
$statements = @(
  "\set identity $env:IDENTITY_OBJECT_ID"
  "\set connections $connections"
  Get-Content infra/hooks/database.sql
  Get-Content docs/grants.sql
  'grant usage, create on schema data to data_owner;'
) -join "`n"
if ($private) {
  & infra/hooks/inside.ps1 postgres $statements
} else {
  for ($looked = 1; ; $looked++) {
    psql -qAtd postgres -c 'select 1' | Out-Null
    if ($LASTEXITCODE -eq 0) { break }
    if ($looked -ge 10) { throw 'The database does not let anybody in from here: see the table in docs/deploy.md, step 4. Then: azd hooks run postprovision' }
    Write-Host 'A rule of the firewall takes up to five minutes, a restart one or two …'
    Start-Sleep 20
  }
  $statements | psql -qd postgres -f '-'
  if ($LASTEXITCODE -ne 0) { throw 'psql has failed; its words stand above.' }
}
Write-Host 'The service may archive, remove and restore the tables of data_owner in schema data; docs/deploy.md says how tables become that.'
