// Names of the services lead to their private endpoints, inside this network.
param networkId string
param tags object

var zoneNames = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  dfs: 'privatelink.dfs.${environment().suffixes.storage}'
  queue: 'privatelink.queue.${environment().suffixes.storage}'
  table: 'privatelink.table.${environment().suffixes.storage}'
  redisEnterprise: 'privatelink.redis.azure.net'
  postgresqlServer: 'privatelink.postgres.database.azure.com'
  sites: 'privatelink.azurewebsites.net'
}

var groups = ['blob', 'dfs', 'queue', 'table', 'redisEnterprise', 'postgresqlServer', 'sites']

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for group in groups: {
  name: zoneNames[group]
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (group, i) in groups: {
  parent: zones[i]
  name: 'archival'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: networkId
    }
  }
}]

// by the group id that a private endpoint asks for
output ids object = {
  blob: resourceId('Microsoft.Network/privateDnsZones', zoneNames.blob)
  dfs: resourceId('Microsoft.Network/privateDnsZones', zoneNames.dfs)
  queue: resourceId('Microsoft.Network/privateDnsZones', zoneNames.queue)
  table: resourceId('Microsoft.Network/privateDnsZones', zoneNames.table)
  redisEnterprise: resourceId('Microsoft.Network/privateDnsZones', zoneNames.redisEnterprise)
  postgresqlServer: resourceId('Microsoft.Network/privateDnsZones', zoneNames.postgresqlServer)
  sites: resourceId('Microsoft.Network/privateDnsZones', zoneNames.sites)
}
