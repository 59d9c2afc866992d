# The same as inside.sh, for Windows: `inside.ps1 DATABASE STATEMENTS`.
param([string] $Database, [string] $Statements)
$ErrorActionPreference = 'Stop'
$box = 'archival-psql'
$subnet = if ($env:GRANTS_SUBNET_ID) { $env:GRANTS_SUBNET_ID } else { $env:TOOLS_SUBNET_ID }
$image = if ($env:GRANTS_IMAGE) { $env:GRANTS_IMAGE } else { 'mcr.microsoft.com/azurelinux/base/postgres:16' }
$lines = ($Statements -split '\r?\n' | Where-Object { $_ -notmatch '^ *--' }) -join "`n"
$encoded = [Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes("$lines`n"))

function Removed {
  az container delete -g $env:RESOURCE_GROUP -n $box --yes -o none
}
function State($what) {
  az container show -g $env:RESOURCE_GROUP -n $box --query "containers[0].instanceView.currentState.$what" -o tsv
}
Removed 2>$null # what a run that was cut off has left
Write-Host 'psql runs in a container inside the network; a minute or two …'
try {
  az container create -g $env:RESOURCE_GROUP -n $box --image $image --os-type Linux --cpu 1 --memory 1 --restart-policy Never --subnet $subnet --secure-environment-variables "PGPASSWORD=$env:PGPASSWORD" --environment-variables "PGHOST=$env:PGHOST" "PGUSER=$env:PGUSER" PGSSLMODE=require "PGDATABASE=$Database" "STATEMENTS=$encoded" --command-line "sh -c 'echo `$STATEMENTS | base64 -d | psql -q -v ON_ERROR_STOP=1 -f -'" -o none
  if ($LASTEXITCODE -ne 0) { throw 'The container could not be made.' }
  for ($looked = 1; (State state) -ne 'Terminated'; $looked++) {
    if ($looked -ge 60) { throw 'The container has not ended within ten minutes.' }
    Start-Sleep 10
  }
  az container logs -g $env:RESOURCE_GROUP -n $box | Write-Host
  if ((State exitCode) -ne '0') { throw 'psql has failed; its words stand above.' }
} finally {
  Removed
  if ($LASTEXITCODE -ne 0) { Write-Host "Remove it by hand: az container delete -g $env:RESOURCE_GROUP -n $box" }
}
