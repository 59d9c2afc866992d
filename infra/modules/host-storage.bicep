// The account of the functions host: its queues, its timers' state, and the package that is deployed.
import { Tags, ZoneIds } from '../types.bicep'

param name string
param location string
param tags Tags
param zoneRedundant bool

@description('Names the assignments of its roles: unlike principalId, it is known before the identity is there.')
param identityId string

param principalId string

@description('Empty: the account is reached over the internet, with tokens alone.')
param endpointSubnetId string

param zoneIds ZoneIds

var isPrivate = !empty(endpointSubnetId)
var roles = {
  // locks of singleton functions, the deployment's package, the keys of the API
  blobOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  // messages in and out; queues are made when they are first used
  queueContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  // the host's diagnostic events
  tableContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
  }
  properties: {
    // checkov:skip=CKV_AZURE_43: 18 lower-case letters and digits, of which a hash is worked out at deployment
    // checkov:skip=CKV_AZURE_35: privateNetworking decides it, and is on by default
    // checkov:skip=CKV_AZURE_206: copies in three zones; a second region is the owner's decision and price
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: isPrivate ? 'Deny' : 'Allow'
      bypass: 'AzureServices'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: 'app-package'
  properties: {
    publicAccess: 'None'
  }
}

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in items(roles): {
  name: guid(account.id, identityId, role.value)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.value)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}]

module endpoints 'private-endpoint.bicep' = [for service in isPrivate ? ['blob', 'queue', 'table'] : []: {
  params: {
    name: name
    location: location
    tags: tags
    targetId: account.id
    group: service
    subnetId: endpointSubnetId
    zoneId: zoneIds[?service] ?? ''
  }
}]

output name string = account.name
output deploymentContainerUrl string = '${account.properties.primaryEndpoints.blob}${packages.name}'
