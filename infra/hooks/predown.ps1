# The same as predown.sh, for Windows.
$ErrorActionPreference = 'Stop'
if (-not $env:RESOURCE_GROUP) { exit 0 }
if ($env:LAKE_ACCOUNT_ID) {
  Write-Host "The lake was brought along, and azd down would delete its resource group with all that is in it. This deletes the group of the template alone:"
  Write-Host "  az group delete -n $env:RESOURCE_GROUP"
  exit 1
}
$locked = az lock list -g $env:RESOURCE_GROUP --resource-type Microsoft.Storage/storageAccounts --resource-name $env:LAKE_ACCOUNT --query "[?name=='archives'].name" -o tsv
if ($locked) {
  Write-Host "Archives would be deleted too, and a lock on the lake forbids it. Whoever means it deletes the lock first:"
  Write-Host "  az lock delete --name archives -g $env:RESOURCE_GROUP --resource-type Microsoft.Storage/storageAccounts --resource-name $env:LAKE_ACCOUNT"
  exit 1
}
exit 0 # also where az could not be asked: the lock itself holds
