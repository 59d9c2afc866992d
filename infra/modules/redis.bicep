// Azure Managed Redis for the event streams: nothing in it may be evicted, and what was acknowledged survives a restart.
import { Tags, ZoneIds } from '../types.bicep'

param name string
param location string
param tags Tags
param workspaceId string
param principalId string
param endpointSubnetId string
param zoneIds ZoneIds
param skuName string = 'Balanced_B0'

var isPrivate = !empty(endpointSubnetId)

resource cluster 'Microsoft.Cache/redisEnterprise@2025-07-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: skuName
  }
  properties: {
    highAvailability: 'Enabled'
    minimumTlsVersion: '1.2'
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
  }
}

resource database 'Microsoft.Cache/redisEnterprise/databases@2025-07-01' = {
  parent: cluster
  name: 'default'
  properties: {
    accessKeysAuthentication: 'Disabled'
    clientProtocol: 'Encrypted'
    // one address for every key: the client is no cluster client
    clusteringPolicy: 'EnterpriseCluster'
    evictionPolicy: 'NoEviction'
    persistence: {
      aofEnabled: true
      aofFrequency: '1s'
    }
    port: 10000
  }
}

resource access 'Microsoft.Cache/redisEnterprise/databases/accessPolicyAssignments@2025-07-01' = {
  parent: database
  name: 'archivalservice'
  properties: {
    accessPolicyName: 'default'
    user: {
      objectId: principalId
    }
  }
}

// Who connected: the database has no other log.
resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'archival'
  scope: database
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
  }
}

module endpoint 'private-endpoint.bicep' = if (isPrivate) {
  params: {
    name: name
    location: location
    tags: tags
    targetId: cluster.id
    group: 'redisEnterprise'
    subnetId: endpointSubnetId
    zoneId: zoneIds.?redisEnterprise ?? ''
  }
}

output name string = cluster.name
output host string = cluster.properties.hostName
