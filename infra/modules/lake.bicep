// The data lake. Archives may cool; results of questions, which expire, are all that a rule deletes.
import { Tags, ZoneIds } from '../types.bicep'

param name string
param location string
param tags Tags
param zoneRedundant bool
param filesystem string

@description('Beginnings of paths below the filesystem. See the rule for why `tables/` alone is too short.')
param coolPrefixes string[]

@description('Nobody deletes the account without deleting the lock first. What is in it is kept by roles and soft delete.')
param lock bool

param workspaceId string
param endpointSubnetId string
param zoneIds ZoneIds

@description('Days after the last write until an archive is cool.')
param coolAfterDays int = 30

@description('And until it is cold.')
param coldAfterDays int = 180

@description('Days after the last write until a result of a question is deleted: more than QUERY_RESULTS_KEPT may be.')
@minValue(29)
param resultsDeletedAfterDays int = 30

var isPrivate = !empty(endpointSubnetId)

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
    accessTier: 'Hot'
    isHnsEnabled: true
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
  properties: {
    // what somebody deletes by mistake comes back; the service itself deletes leftovers of staging alone
    deleteRetentionPolicy: {
      enabled: true
      days: 14
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 14
    }
  }
}

resource locked 'Microsoft.Authorization/locks@2020-05-01' = if (lock) {
  name: 'archives'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'Archives of chunks that are in no database any more.'
  }
}

// Who read, wrote and deleted: the first question after an archive that is damaged.
resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'archival'
  scope: blobs
  properties: {
    workspaceId: workspaceId
    logs: [for category in ['StorageRead', 'StorageWrite', 'StorageDelete']: {
      category: category
      enabled: true
    }]
  }
}

var paths = [for prefix in coolPrefixes: '${filesystem}/${prefix}']

// A filter knows beginnings of paths and no exceptions. `tables/` would also cool what others keep beside the archives, the
// `_delta_log` of a Delta table among it, which is written all the time. Archives' folders never begin with `_`, so a prefix that
// goes on into their names is safe: `tables/public.conditions/hyper_` means every chunk of that hypertable. `manifests/` and
// `staging/` stay hot: the first are read by every verification and small, the second is gone within hours.
// Nothing goes to the archive tier: it answers no read, and verification, restore and removal would all fail there.
// A rule takes ten prefixes.
var prefixesOfRule = 10
var archives = [for i in range(0, (length(paths) + prefixesOfRule - 1) / prefixesOfRule): {
  name: 'archives-cool-${i}'
  type: 'Lifecycle'
  enabled: true
  definition: {
    filters: {
      blobTypes: ['blockBlob']
      prefixMatch: take(skip(paths, i * prefixesOfRule), prefixesOfRule)
    }
    actions: {
      baseBlob: {
        tierToCool: {
          daysAfterModificationGreaterThan: coolAfterDays
        }
        tierToCold: {
          daysAfterModificationGreaterThan: coldAfterDays
        }
      }
    }
  }
}]

// Archives whose place a later one has taken: kept, because their rows may differ, and hardly ever read again.
var superseded = [
  {
    name: 'superseded-cold'
    type: 'Lifecycle'
    enabled: true
    definition: {
      filters: {
        blobTypes: ['blockBlob']
        prefixMatch: ['${filesystem}/superseded/']
      }
      actions: {
        baseBlob: {
          tierToCold: {
            daysAfterModificationGreaterThan: coolAfterDays
          }
        }
      }
    }
  }
]

// Results expire after QUERY_RESULTS_KEPT, 28 days at most, and `reconcile` removes them then. This rule is for those that it does not come
// to: of a service that was stopped, or taken away.
var results = [
  {
    name: 'results-deleted'
    type: 'Lifecycle'
    enabled: true
    definition: {
      filters: {
        blobTypes: ['blockBlob']
        prefixMatch: ['${filesystem}/results/']
      }
      actions: {
        baseBlob: {
          delete: {
            daysAfterModificationGreaterThan: resultsDeletedAfterDays
          }
        }
      }
    }
  }
]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: concat(archives, superseded, results)
    }
  }
}

module endpoints 'private-endpoint.bicep' = [for service in isPrivate ? ['blob', 'dfs'] : []: {
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
