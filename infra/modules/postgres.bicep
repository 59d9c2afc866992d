// A PostgreSQL flexible server with TimescaleDB allowed and preloaded, and Microsoft Entra as the only way in.
import { Tags, ZoneIds } from '../types.bicep'

param name string
param location string
param tags Tags
param workspaceId string
param database string
param adminId string
param adminName string

@allowed(['User', 'Group', 'ServicePrincipal'])
param adminType string

param endpointSubnetId string
param zoneIds ZoneIds

@description('Decides how many connections there are: 414 on B2s, 844 on D2ds_v5, for users.')
param skuName string

param version string = '16'
param storageSizeGB int = 128

var isPrivate = !empty(endpointSubnetId)
// the tier stands in the name already: B, D or E
var skuTier = startsWith(skuName, 'Standard_B') ? 'Burstable' : startsWith(skuName, 'Standard_E') ? 'MemoryOptimized' : 'GeneralPurpose'

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2025-08-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: skuName
    tier: skuTier
  }
  properties: {
    version: version
    authConfig: {
      activeDirectoryAuth: 'Enabled'
      passwordAuth: 'Disabled'
      tenantId: tenant().tenantId
    }
    storage: {
      storageSizeGB: storageSizeGB
      autoGrow: 'Enabled'
    }
    backup: {
      backupRetentionDays: 14
      geoRedundantBackup: 'Disabled'
    }
    highAvailability: {
      mode: 'Disabled'
    }
    network: {
      publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    }
  }
}

// A server that was just written refuses its first change for some time more: with ServerIsBusy (Azure/azure-postgresql#134), and an administrator
// with AadAuthOperationCannotBePerformedWhenServerIsNotAccessible (#127). Empty deployments one after the other let it come to rest.
@batchSize(1)
module pause 'pause.bicep' = [for i in range(0, 12): {
  name: 'pause-${name}-${i}'
  params: {
    after: server.id
  }
}]

// The server takes one change at a time, so each waits for the one before it.

resource allowList 'Microsoft.DBforPostgreSQL/flexibleServers/configurations@2025-08-01' = {
  parent: server
  name: 'azure.extensions'
  properties: {
    value: 'TIMESCALEDB'
    source: 'user-override'
  }
  dependsOn: [pause]
}

// takes effect with the next restart
resource preload 'Microsoft.DBforPostgreSQL/flexibleServers/configurations@2025-08-01' = {
  parent: server
  name: 'shared_preload_libraries'
  properties: {
    value: 'pg_cron,pg_stat_statements,timescaledb'
    source: 'user-override'
  }
  dependsOn: [allowList]
}

resource admin 'Microsoft.DBforPostgreSQL/flexibleServers/administrators@2025-08-01' = {
  parent: server
  name: adminId
  properties: {
    principalName: adminName
    principalType: adminType
    tenantId: tenant().tenantId
  }
  dependsOn: [preload]
}

// It belongs to the administrator who is there when it is made; before that it would belong to Azure's own superuser, and nobody could make a
// schema in it (Azure/bicep-registry-modules#3596).
resource source 'Microsoft.DBforPostgreSQL/flexibleServers/databases@2025-08-01' = {
  parent: server
  name: database
  properties: {
    charset: 'UTF8'
    collation: 'en_US.utf8'
  }
  dependsOn: [admin]
}

// 0.0.0.0 stands for services inside Azure, of anybody: without a network of its own the app has no address to name. A token of
// this tenant is still needed, and a role in the database.
resource insideAzure 'Microsoft.DBforPostgreSQL/flexibleServers/firewallRules@2025-08-01' = if (!isPrivate) {
  parent: server
  name: 'inside-azure'
  properties: {
    startIpAddress: '0.0.0.0'
    endIpAddress: '0.0.0.0'
  }
  dependsOn: [source]
}

// What the runbook sends people to: the server's log.
resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'archival'
  scope: server
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
    targetId: server.id
    group: 'postgresqlServer'
    subnetId: endpointSubnetId
    zoneId: zoneIds.?postgresqlServer ?? ''
  }
  dependsOn: [source]
}

output name string = server.name
output host string = server.properties.fullyQualifiedDomainName
