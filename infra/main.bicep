// Everything that archival_service needs, in one resource group. What is given by parameter is used, the rest is made.
// No key and no password is anywhere: each service takes Microsoft Entra tokens of one user-assigned identity, and refuses keys.
targetScope = 'subscription'

@description('Names everything: lower-case letters and digits.')
@minLength(2)
@maxLength(10)
param environmentName string

param location string = deployment().location

@description('Endpoints in a virtual network, and no public way to storage, lake, Redis and database.')
param privateNetworking bool = true

@description('Whether the API and the deployment endpoint are reached from the internet; false needs privateNetworking.')
param publicApi bool = true

// --- brought along instead of made -------------------------------------------------------------------------------------

@description('postgresql://<role>@<host>:5432/<database>?sslmode=require, without a password. Empty: a server is made.')
param sourceDatabaseUrl string = ''

@description('Where schema archival lives; empty: the source database.')
param ledgerDatabaseUrl string = ''

@description('rediss://<object id of the identity>@<host>:10000, without a password. Empty: Azure Managed Redis is made.')
param redisUrl string = ''

@description('Resource id of a storage account with a hierarchical namespace. Empty: one is made.')
param lakeAccountId string = ''

@description('Resource id of a Log Analytics workspace. Empty: one is made.')
param logAnalyticsId string = ''

@description('Subnet of the app, delegated to Microsoft.App/environments. Empty: a network is made.')
param appSubnetId string = ''

@description('Subnet of the private endpoints, in the same network.')
param endpointSubnetId string = ''

// --- the database that is made -------------------------------------------------------------------------------------------

@description('Who may create roles in the database that is made: an object id in Microsoft Entra.')
param databaseAdminId string = ''

@description('Its user principal name, or the name of the group or application.')
param databaseAdminName string = ''

@allowed(['User', 'Group', 'ServicePrincipal'])
param databaseAdminType string = 'User'

// --- how it runs -----------------------------------------------------------------------------------------------------------

@description('Connections that the service may take of the database. The largest number of instances follows from it.')
@minValue(65)
param databaseConnections int = 200

@description('Parts of a chunk that are read at the same time: ARCHIVE_READERS.')
@minValue(1)
@maxValue(8)
param archiveReaders int = 2

@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Settings of the service that are not to have their defaults, such as { REMOVAL_POLICY: \'drop\' }.')
param settings object = {}

@description('What exports telemetry: azuremonitor, opencensus, otlp or none.')
@allowed(['azuremonitor', 'opencensus', 'otlp', 'none'])
param telemetryExporter string = 'azuremonitor'

@description('Archives that cool: beginnings of paths, below the filesystem, such as tables/public.conditions/hyper_.')
param coolPrefixes array = []

@description('Where alerts go.')
param alertEmails array = []

@description('Hours without a finished archive, while jobs wait, that are an alert.')
@allowed([1, 2, 3, 4, 5, 6])
param idleHours int = 6

// ---------------------------------------------------------------------------------------------------------------------------

var token = toLower(uniqueString(subscription().id, environmentName, location))
var name = 'archival-${environmentName}-${take(token, 6)}'
var tags = { 'azd-env-name': environmentName }
var filesystem = 'archive'
var database = 'tsdb'
// The role that docs/deploy.md makes for the identity; any name does, since it is bound by object id.
var databaseRole = 'archival_service'
var ownsNetwork = privateNetworking && empty(endpointSubnetId)
var endpoints = privateNetworking ? (ownsNetwork ? network!.outputs.endpointSubnetId : endpointSubnetId) : ''

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${name}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  params: {
    name: 'id-${name}'
    location: location
    tags: tags
  }
}

module network 'modules/network.bicep' = if (ownsNetwork) {
  scope: group
  params: {
    name: name
    location: location
    tags: tags
  }
}

module zones 'modules/dns-zones.bicep' = if (privateNetworking) {
  scope: group
  params: {
    networkId: split(endpoints, '/subnets/')[0]
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    name: name
    location: location
    tags: tags
    logAnalyticsId: logAnalyticsId
    principalId: identity.outputs.principalId
  }
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  params: {
    name: name
    location: location
    tags: tags
    applicationInsightsId: monitoring.outputs.applicationInsightsId
    emails: alertEmails
    idleHours: idleHours
  }
}

module storage 'modules/host-storage.bicep' = {
  scope: group
  params: {
    name: 'sthost${take(token, 12)}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    endpointSubnetId: endpoints
    zoneIds: privateNetworking ? zones!.outputs.ids : {}
  }
}

module lake 'modules/lake.bicep' = if (empty(lakeAccountId)) {
  scope: group
  params: {
    name: 'stlake${take(token, 12)}'
    location: location
    tags: tags
    filesystem: filesystem
    coolPrefixes: coolPrefixes
    endpointSubnetId: endpoints
    zoneIds: privateNetworking ? zones!.outputs.ids : {}
  }
}

var lakeId = empty(lakeAccountId) ? lake!.outputs.id : lakeAccountId
var lakeSubscription = empty(lakeAccountId) ? subscription().subscriptionId : split(lakeAccountId, '/')[2]
var lakeGroup = empty(lakeAccountId) ? group.name : split(lakeAccountId, '/')[4]

module lakeAccess 'modules/lake-access.bicep' = {
  scope: resourceGroup(lakeSubscription, lakeGroup)
  params: {
    accountName: last(split(lakeId, '/'))
    filesystem: filesystem
    principalId: identity.outputs.principalId
  }
}

module redis 'modules/redis.bicep' = if (empty(redisUrl)) {
  scope: group
  params: {
    name: 'redis-${name}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    endpointSubnetId: endpoints
    zoneIds: privateNetworking ? zones!.outputs.ids : {}
  }
}

module postgres 'modules/postgres.bicep' = if (empty(sourceDatabaseUrl)) {
  scope: group
  params: {
    name: 'psql-${name}'
    location: location
    tags: tags
    database: database
    adminId: databaseAdminId
    adminName: databaseAdminName
    adminType: databaseAdminType
    endpointSubnetId: endpoints
    zoneIds: privateNetworking ? zones!.outputs.ids : {}
  }
}

module app 'modules/function-app.bicep' = {
  scope: group
  params: {
    name: 'func-${name}'
    location: location
    tags: union(tags, { 'azd-service-name': 'archival' })
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageAccountName: storage.outputs.name
    deploymentContainerUrl: storage.outputs.deploymentContainerUrl
    applicationInsightsConnectionString: monitoring.outputs.connectionString
    sourceDatabaseUrl: empty(sourceDatabaseUrl) ? 'postgresql://${databaseRole}@${postgres!.outputs.host}:5432/${database}?sslmode=require' : sourceDatabaseUrl
    ledgerDatabaseUrl: ledgerDatabaseUrl
    redisUrl: empty(redisUrl) ? 'rediss://${identity.outputs.principalId}@${redis!.outputs.host}:10000' : redisUrl
    lakeUrl: 'https://${last(split(lakeId, '/'))}.dfs.${environment().suffixes.storage}/${filesystem}'
    databaseConnections: databaseConnections
    archiveReaders: archiveReaders
    instanceMemoryMB: instanceMemoryMB
    telemetryExporter: telemetryExporter
    settings: settings
    appSubnetId: privateNetworking ? (ownsNetwork ? network!.outputs.appSubnetId : appSubnetId) : ''
    endpointSubnetId: publicApi ? '' : endpoints
    zoneIds: privateNetworking ? zones!.outputs.ids : {}
    publicApi: publicApi
  }
}

output RESOURCE_GROUP string = group.name
output FUNCTION_APP string = app.outputs.name
output API_URL string = app.outputs.apiUrl
output IDENTITY_OBJECT_ID string = identity.outputs.principalId
output DATABASE_SERVER string = empty(sourceDatabaseUrl) ? postgres!.outputs.name : ''
output DATABASE_HOST string = empty(sourceDatabaseUrl) ? postgres!.outputs.host : ''
output DATABASE_NAME string = database
output DATABASE_ROLE string = databaseRole
output DATABASE_CONNECTIONS int = databaseConnections
output REDIS_NAME string = empty(redisUrl) ? redis!.outputs.name : ''
output REDIS_HOST string = empty(redisUrl) ? redis!.outputs.host : ''
output LAKE_ACCOUNT string = last(split(lakeId, '/'))
output MAXIMUM_INSTANCES int = app.outputs.maximumInstances
