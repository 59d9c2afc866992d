// The function app on Flex Consumption, its settings, and how far it may scale.
import { Settings, Tags, ZoneIds } from '../types.bicep'

param name string
param location string
param tags Tags
param identityId string
param identityClientId string
param storageAccountName string
param deploymentContainerUrl string
param applicationInsightsConnectionString string
param sourceDatabaseUrl string
param ledgerDatabaseUrl string
param redisUrl string
param lakeUrl string
param databaseConnections int

@description('For a region that refuses a smaller maximum of instances.')
param maximumInstancesAtLeast int

param archiveReaders int
param instanceMemoryMB int
param alwaysReady int
param rollingUpdates bool
param telemetryExporter string
param settings Settings

@description('Empty: the app is in no network.')
param appSubnetId string

@description('Empty: the API has no private endpoint.')
param endpointSubnetId string

param zoneIds ZoneIds
param publicApi bool

// --- how far it may scale ----------------------------------------------------------------------------------------------
// maximumInstanceCount holds for each function, and for all HTTP functions as one; each instance works on one message at a time
// (host.json: batchSize 1, newBatchThreshold 0). What one instance opens at most, with L for the pool of the ledger:
//   archive_chunk, archive_part                    1 to see who waits, 2 for each of archiveReaders: its snapshot and its rows, + L;
//                                                  archive_chunk 1 more, which stays open beside its reading
//   restore_chunk                                  2 + L
//   archive_chunk_poison, restore_chunk_poison     L each
//   remove_chunk                                   4, to look, to load in trial, to see who waits, and for the mark of a whole
//                                                  comparison + 1 of the ledger
//   verify_archive                                 1 of the ledger
//   archive_part_poison, remove_chunk_poison,
//   verify_archive_poison                          1 each
//   all HTTP functions                             httpConcurrency + L
//   the five timers, which run once in the app     1 + L each; remove_chunks and reconcile 2 more, to load in trial and to see
//                                                  who waits; remove_chunks 1 more, for such a mark
// Ledger and source count together, as if they were one server. What is left of databaseConnections is never reached, and the
// role's CONNECTION LIMIT (docs/deploy.md) holds where the platform's own limit does not, as for bursts of HTTP.
var ledgerPool = 4
var httpConcurrency = 8
var timers = 5 * (1 + ledgerPool) + 2 * 2 + 1
var reading = 1 + 2 * archiveReaders + ledgerPool
var perInstance = 2 * reading + 1 + (2 + ledgerPool) + 2 * ledgerPool + (5 + 4) + (httpConcurrency + ledgerPool)
var maximumInstances = min(1000, max(maximumInstancesAtLeast, (databaseConnections - timers) / perInstance))

// --- settings --------------------------------------------------------------------------------------------------------------
// Every setting with its default; docs/reference.md says what each means.
// settings: written by `make docs`
var defaults = {
  EVENTS_STREAM: 'archival.events'
  EVENTS_GROUP: 'archival-service'
  RESULTS_STREAM: 'archival.results'
  DEAD_STREAM: 'archival.events.dead'
  ARCHIVE_QUEUE: 'archive-chunks'
  RESTORE_QUEUE: 'restore-chunks'
  PART_QUEUE: 'archive-parts'
  REMOVAL_QUEUE: 'remove-chunks'
  VERIFY_QUEUE: 'verify-archives'
  DRAIN_MAX_EVENTS: '10000'
  DRAIN_MAX_SECONDS: '45'
  EVENT_MAX_DELIVERIES: '5'
  EVENT_CLAIM_IDLE: 'PT5M'
  EVENTS_KEEP_FOR: 'P7D'
  EVENTS_KEEP: '100000'
  RESULTS_KEEP_FOR: 'P30D'
  RESULTS_KEEP: '100000'
  JOBS_KEEP_FOR: 'P90D'
  JOB_LEASE: 'PT2M'
  JOB_TIME_BUDGET: 'PT20M'
  OUTAGE_BACKOFF: 'PT10S'
  ARCHIVE_PART_BYTES: '268435456'
  ARCHIVE_SHARED_PARTS: '8'
  PARQUET_PROFILE: 'fast'
  REMOVAL_POLICY: 'keep'
  REMOVAL_GRACE: 'P1D'
  TABLE_READERS: 'P7D'
  LAKE_REPLICATION: 'auto'
  VERIFY_EVERY: 'P30D'
  VERIFY_SAMPLE: '1'
  POLICY_BACKLOG: '200'
  QUERY_ROLE: ''
  QUERY_SECONDS: '60'
  QUERY_MEMORY: '512'
  QUERY_ROWS: '100000'
  QUERY_RESULT_SECONDS: '900'
  QUERY_RESULT_MIB: '4096'
  QUERY_RESULTS_KEPT: 'P1D'
  QUERIES_AT_A_TIME: '2'
  COST_DATABASE_GB_MONTH: '0.115'
  COST_LAKE_GB_MONTH: '0.023'
  COST_CURRENCY: 'USD'
  TRACE_URL: ''
  OTEL_TRACES_SAMPLER: 'always_on'
  DRAIN_SCHEDULE: '*/15 * * * * *'
  COMMIT_SCHEDULE: '20 * * * * *'
  REMOVAL_SCHEDULE: '0 */5 * * * *'
  VERIFY_SCHEDULE: '0 */15 * * * *'
  RECONCILE_SCHEDULE: '30 */5 * * * *'
  ARROW_DEFAULT_MEMORY_POOL: 'system'
  GLIBC_TUNABLES: 'glibc.malloc.arena_max=2:glibc.malloc.mmap_threshold=3000000:glibc.malloc.hugetlb=1'
}
// end of settings
var wiring = {
  SOURCE_DATABASE_URL: sourceDatabaseUrl
  LEDGER_DATABASE_URL: ledgerDatabaseUrl
  REDIS_URL: redisUrl
  LAKE_URL: lakeUrl
  ARCHIVE_READERS: string(archiveReaders)
  TELEMETRY_EXPORTER: telemetryExporter
  // the host's own storage, and the queues, by identity
  AzureWebJobsStorage__accountName: storageAccountName
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  // which identity DefaultAzureCredential means
  AZURE_CLIENT_ID: identityClientId
  // and that it is asked at once, before the credentials of developers
  AZURE_TOKEN_CREDENTIALS: 'ManagedIdentityCredential'
  // an address; what opens it is a token, since Application Insights refuses its key here
  APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD;ClientId=${identityClientId}'
  PYTHON_ENABLE_OPENTELEMETRY: telemetryExporter == 'none' ? 'false' : 'true'
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    // checkov:skip=CKV_AZURE_225: a zone that is lost takes runs with it and no work: messages come again
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    // checkov:skip=CKV_AZURE_222: publicApi decides it
    // checkov:skip=CKV_AZURE_17: callers are programs with a function key
    // checkov:skip=CKV_AZURE_212: Flex Consumption scales from zero
    // checkov:skip=CKV_AZURE_213: Flex Consumption has no health check path
    // checkov:skip=CKV_AZURE_78: Flex Consumption has no FTP
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: publicApi ? 'Enabled' : 'Disabled'
    virtualNetworkSubnetId: empty(appSubnetId) ? null : appSubnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: deploymentContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      // the types that the compiler has lack it, and Azure takes it
      #disable-next-line BCP037
      siteUpdateStrategy: {
        type: rollingUpdates ? 'RollingUpdate' : 'Recreate'
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstances
        alwaysReady: [for group in alwaysReady > 0 ? ['http', 'function:drain_events', 'function:reconcile'] : []: {
          name: group
          instanceCount: min(alwaysReady, maximumInstances)
        }]
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency
          }
        }
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      appSettings: [for setting in items(union(defaults, settings, wiring)): {
        name: setting.key
        value: setting.value
      }]
    }
  }
}

// Deployment with a user and a password; `func azure functionapp publish` and azd use tokens.
resource ftpPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scmPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

module endpoint 'private-endpoint.bicep' = if (!empty(endpointSubnetId)) {
  params: {
    name: name
    location: location
    tags: tags
    targetId: app.id
    group: 'sites'
    subnetId: endpointSubnetId
    zoneId: zoneIds.?sites ?? ''
  }
}

output name string = app.name
output apiUrl string = 'https://${app.properties.defaultHostName}/api'
output maximumInstances int = maximumInstances
