// The identity may read and write the filesystem, whether the account was made here or brought along.
param accountName string
param filesystem string

@description('Names the assignments of its roles: unlike principalId, it is known before the identity is there.')
param identityId string

param principalId string

@description('Who may look at the files besides; empty: nobody.')
param readerId string

@allowed(['User', 'Group', 'ServicePrincipal'])
param readerType string

// Not Owner: it changes no access rights. Renames of directories are part of it.
var blobContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

var blobReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: filesystem
  properties: {
    publicAccess: 'None'
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(container.id, identityId, blobContributor)
  scope: container
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource reading 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(readerId)) {
  name: guid(container.id, readerId, blobReader)
  scope: container
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobReader)
    principalId: readerId
    principalType: readerType
  }
}
