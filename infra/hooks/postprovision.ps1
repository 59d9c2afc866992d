# The same as postprovision.sh, for Windows.
$ErrorActionPreference = 'Stop'
Set-Location (Join-Path $PSScriptRoot '../..')

function Run($program) {
  & $program @args
  if ($LASTEXITCODE -ne 0) { throw "$program $args failed" }
}
$private = -not $env:PRIVATE_NETWORKING -or $env:PRIVATE_NETWORKING -eq 'true'
if ($env:SOURCE_DATABASE_URL) {
  Write-Host 'The database was brought along: steps 3 and 4 of docs/deploy.md, there.'
} elseif ($private -and -not $env:INSIDE_THE_NETWORK) {
  Write-Host 'The database is reached from inside its network alone: run infra/hooks/postprovision.ps1 there, with INSIDE_THE_NETWORK=1 and these values:'
  'RESOURCE_GROUP', 'DATABASE_SERVER', 'DATABASE_HOST', 'IDENTITY_OBJECT_ID', 'DATABASE_ADMIN_NAME', 'API_URL' |
    ForEach-Object { Write-Host "  $_=$([Environment]::GetEnvironmentVariable($_))" }
  exit 0
} else {
  $pending = Run az postgres flexible-server parameter show -g $env:RESOURCE_GROUP -s $env:DATABASE_SERVER --name shared_preload_libraries --query isConfigPendingRestart -o tsv
  if ($pending -eq 'true') {
    Write-Host 'restarting the database, which loads TimescaleDB …'
    Run az postgres flexible-server restart -g $env:RESOURCE_GROUP -n $env:DATABASE_SERVER
  }
  if (-not $env:INSIDE_THE_NETWORK) {
    $me = Invoke-RestMethod https://api.ipify.org
    Run az postgres flexible-server firewall-rule create -g $env:RESOURCE_GROUP --server-name $env:DATABASE_SERVER --name me --start-ip-address $me --end-ip-address $me -o none
  }
  $env:PGHOST = $env:DATABASE_HOST; $env:PGUSER = $env:DATABASE_ADMIN_NAME; $env:PGSSLMODE = 'require'
  $env:PGPASSWORD = Run az account get-access-token --resource-type oss-rdbms --query accessToken -o tsv
  $connections = if ($env:DATABASE_CONNECTIONS) { $env:DATABASE_CONNECTIONS } else { 200 }
  Run psql -qd postgres -v ON_ERROR_STOP=1 -c "select pgaadauth_create_principal_with_oid('archival_service', '$env:IDENTITY_OBJECT_ID', 'service', false, false) where not exists (select from pg_roles where rolname = 'archival_service')" | Out-Null
  psql -qd postgres -c "alter role archival_service connection limit $connections"
  if ($LASTEXITCODE -ne 0) { Write-Host "The role has no connection limit: the administrator may not alter it. The template's own bound holds." }
  Run psql -qd tsdb -v ON_ERROR_STOP=1 -c 'create extension if not exists timescaledb' -c 'create schema if not exists data' -f docs/grants.sql -c 'grant usage, create on schema data to data_owner'
  Write-Host 'The service may archive, remove and restore the tables of data_owner in schema data; docs/deploy.md says how tables become that.'
}
Write-Host "The console, once the app is published: $env:API_URL/dashboard. Its key:"
Write-Host "  az functionapp keys list -g $env:RESOURCE_GROUP -n $env:FUNCTION_APP --query functionKeys.default -o tsv"
