// Names of the services lead to their private endpoints, inside this network.
import { Tags, ZoneIds } from '../types.bicep'

param networkId string
param tags Tags

@description('The resource group of zones that are there, and linked to the network. Empty: zones are made.')
param zonesGroupId string

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

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for group in groups: if (empty(zonesGroupId)) {
  name: zoneNames[group]
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (group, i) in groups: if (empty(zonesGroupId)) {
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

var place = '${empty(zonesGroupId) ? resourceGroup().id : zonesGroupId}/providers/Microsoft.Network/privateDnsZones'

// by the group id that a private endpoint asks for
output ids ZoneIds = {
  blob: '${place}/${zoneNames.blob}'
  dfs: '${place}/${zoneNames.dfs}'
  queue: '${place}/${zoneNames.queue}'
  table: '${place}/${zoneNames.table}'
  redisEnterprise: '${place}/${zoneNames.redisEnterprise}'
  postgresqlServer: '${place}/${zoneNames.postgresqlServer}'
  sites: '${place}/${zoneNames.sites}'
}
