// Everything that archival_service needs, in one resource group. What is given by parameter is used, the rest is made.
// No key and no password is anywhere: each service takes Microsoft Entra tokens of one user-assigned identity, and refuses keys.
targetScope = 'subscription'

import { Settings } from 'types.bicep'

@description('Names everything. Resources take its first ten letters and digits, in lower case; a hash keeps them apart.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('A region that has Flex Consumption.')
@metadata({
  azd: {
    type: 'location'
  }
})
@allowed([
  'australiaeast'
  'australiasoutheast'
  'brazilsouth'
  'canadacentral'
  'centralindia'
  'centralus'
  'eastasia'
  'eastus'
  'eastus2'
  'eastus2euap'
  'francecentral'
  'germanywestcentral'
  'italynorth'
  'japaneast'
  'koreacentral'
  'northcentralus'
  'northeurope'
  'norwayeast'
  'southafricanorth'
  'southcentralus'
  'southeastasia'
  'southindia'
  'spaincentral'
  'swedencentral'
  'uaenorth'
  'uksouth'
  'ukwest'
  'westcentralus'
  'westeurope'
  'westus'
  'westus2'
  'westus3'
])
param location string

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

@description('Resource id of the resource group whose private DNS zones are linked to that network. Empty: zones are made.')
param dnsZonesGroupId string = ''

// --- the database that is made -------------------------------------------------------------------------------------------

@description('Who may create roles in the database that is made: an object id in Microsoft Entra.')
param databaseAdminId string = ''

@description('Its user principal name, or the name of the group or application.')
param databaseAdminName string = ''

@allowed(['User', 'Group', 'ServicePrincipal'])
param databaseAdminType string = 'User'

@description('Its size, such as Standard_B2s for a try: docs/deploy.md, how far it scales.')
param databaseSku string = 'Standard_D2ds_v5'

// --- how it runs -----------------------------------------------------------------------------------------------------------

@description('Connections that the service may take of the database. The largest number of instances follows from it.')
@minValue(108)
param databaseConnections int = 200

@description('40 in a region that refuses a smaller maximum of instances: docs/deploy.md, how far it scales.')
@minValue(1)
@maxValue(40)
param maximumInstancesAtLeast int = 1

@description('Parts of a chunk that are read at the same time: ARCHIVE_READERS.')
@minValue(1)
@maxValue(8)
param archiveReaders int = 2

@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Settings of the service that are not to have their defaults, such as { REMOVAL_POLICY: \'drop\' }.')
param settings Settings = {}

@description('What exports telemetry: azuremonitor, opencensus, otlp or none.')
@allowed(['azuremonitor', 'opencensus', 'otlp', 'none'])
param telemetryExporter string = 'azuremonitor'

@description('Archives that cool: beginnings of paths, below the filesystem, such as tables/public.conditions/hyper_.')
param coolPrefixes string[] = []

@description('Copies of storage and lake in three zones; false for a region without zones.')
param zoneRedundant bool = true

@description('A lock that keeps the lake from being deleted, with its resource group too, until somebody deletes the lock.')
param lockLake bool = true

@description('Instances that always run, for the API, the drain and reconcile each: a first answer without a cold start.')
@minValue(0)
@maxValue(5)
param alwaysReady int = 0

@description('An update lets running functions come to their end. false ends them at once, in a region that does not have it yet.')
param rollingUpdates bool = true

@description('Gigabytes of telemetry a day in the workspace that is made; after that nothing is taken. -1: no bound.')
@minValue(-1)
param dailyCapGB int = -1

@description('Where alerts go.')
param alertEmails string[] = []

@description('Hours without a finished archive, while jobs wait, that are an alert.')
@allowed([1, 2, 3, 4, 5, 6])
param idleHours int = 6

// ---------------------------------------------------------------------------------------------------------------------------

// --- what makes no sense, refused before anything is made ------------------------------------------------------------------

// They come from parameters of their own.
var ownSettings = [
  'SOURCE_DATABASE_URL'
  'LEDGER_DATABASE_URL'
  'REDIS_URL'
  'LAKE_URL'
  'ARCHIVE_READERS'
  'TELEMETRY_EXPORTER'
]
// Flex Consumption has no such settings and refuses them, some with an error that does not name them.
var platformSettings = [
  'FUNCTIONS_WORKER_RUNTIME'
  'FUNCTIONS_EXTENSION_VERSION'
  'WEBSITE_RUN_FROM_PACKAGE'
  'SCM_DO_BUILD_DURING_DEPLOYMENT'
  'ENABLE_ORYX_BUILD'
]
var givenSettings = map(objectKeys(settings), key => toUpper(key))
var databaseUrls = filter([sourceDatabaseUrl, ledgerDatabaseUrl], url => !empty(url))
var subnets = filter([appSubnetId, endpointSubnetId], id => !empty(id))
var endpointUrl = settings.?OTEL_EXPORTER_OTLP_ENDPOINT ?? ''

var rules = [
  {
    broken: empty(sourceDatabaseUrl) && empty(databaseAdminId)
    sentence: 'Nobody is named as the administrator of the database that is made: set DATABASE_ADMIN_ID and DATABASE_ADMIN_NAME, or bring a database along with SOURCE_DATABASE_URL.'
  }
  {
    broken: empty(sourceDatabaseUrl) && !empty(databaseAdminId) && empty(databaseAdminName)
    sentence: 'DATABASE_ADMIN_ID has no name: set DATABASE_ADMIN_NAME to the user principal name, or to the name of the group or application.'
  }
  {
    broken: !empty(filter(databaseUrls, url => !startsWith(url, 'postgresql://') && !startsWith(url, 'postgres://')))
    sentence: 'SOURCE_DATABASE_URL and LEDGER_DATABASE_URL begin with postgresql://.'
  }
  {
    broken: !empty(filter(databaseUrls, url => contains(url, ':6432/')))
    sentence: 'Port 6432 is PgBouncer, which shares sessions and so breaks snapshots and locks: name the port of PostgreSQL itself, 5432.'
  }
  {
    broken: !empty(redisUrl) && !startsWith(redisUrl, 'rediss://')
    sentence: 'REDIS_URL begins with rediss://: a token is never sent without TLS.'
  }
  {
    broken: !empty(lakeAccountId) && !contains(toLower(lakeAccountId), '/providers/microsoft.storage/storageaccounts/')
    sentence: 'LAKE_ACCOUNT_ID is no resource id of a storage account: /subscriptions/…/resourceGroups/…/providers/Microsoft.Storage/storageAccounts/…'
  }
  {
    broken: !empty(logAnalyticsId) && !contains(toLower(logAnalyticsId), '/providers/microsoft.operationalinsights/workspaces/')
    sentence: 'LOG_ANALYTICS_ID is no resource id of a Log Analytics workspace: /subscriptions/…/resourceGroups/…/providers/Microsoft.OperationalInsights/workspaces/…'
  }
  {
    broken: dailyCapGB == 0
    sentence: 'DAILY_CAP_GB=0 would take no telemetry, and every alert would be blind: -1 is no bound.'
  }
  {
    broken: dailyCapGB > 0 && !empty(logAnalyticsId)
    sentence: 'DAILY_CAP_GB has no effect on a workspace that is brought along with LOG_ANALYTICS_ID: set the bound there.'
  }
  {
    broken: !publicApi && !privateNetworking
    sentence: 'PUBLIC_API=false without PRIVATE_NETWORKING=true is an app that nobody reaches and nothing can be published to.'
  }
  {
    broken: !empty(subnets) && !privateNetworking
    sentence: 'APP_SUBNET_ID and ENDPOINT_SUBNET_ID need PRIVATE_NETWORKING=true.'
  }
  {
    broken: length(subnets) == 1
    sentence: 'APP_SUBNET_ID and ENDPOINT_SUBNET_ID come together: one is for the app, the other for the private endpoints.'
  }
  {
    broken: !empty(filter(subnets, id => !contains(toLower(id), '/providers/microsoft.network/virtualnetworks/') || !contains(id, '/subnets/')))
    sentence: 'APP_SUBNET_ID and ENDPOINT_SUBNET_ID are resource ids of subnets: /subscriptions/…/resourceGroups/…/providers/Microsoft.Network/virtualNetworks/…/subnets/…'
  }
  {
    broken: length(union(map(filter(subnets, id => contains(id, '/subnets/')), id => toLower(split(id, '/subnets/')[0])), [])) > 1
    sentence: 'APP_SUBNET_ID and ENDPOINT_SUBNET_ID are in different networks: names of the private endpoints would lead nowhere for the app.'
  }
  {
    broken: length(subnets) == 2 && toLower(appSubnetId) == toLower(endpointSubnetId)
    sentence: 'APP_SUBNET_ID and ENDPOINT_SUBNET_ID are the same subnet: that of the app is delegated, and takes no private endpoints.'
  }
  {
    broken: !empty(dnsZonesGroupId) && length(subnets) < 2
    sentence: 'DNS_ZONES_GROUP_ID needs APP_SUBNET_ID and ENDPOINT_SUBNET_ID: a network that is made is linked to no zones but its own.'
  }
  {
    broken: !empty(dnsZonesGroupId) && (!contains(toLower(dnsZonesGroupId), '/resourcegroups/') || contains(dnsZonesGroupId, '/providers/') || endsWith(dnsZonesGroupId, '/'))
    sentence: 'DNS_ZONES_GROUP_ID is no resource id of a resource group: /subscriptions/…/resourceGroups/…'
  }
  {
    broken: !startsWith(databaseSku, 'Standard_')
    sentence: 'DATABASE_SKU is no size of a flexible server, such as Standard_D2ds_v5.'
  }
  {
    broken: databaseSku == 'Standard_B1ms'
    sentence: 'DATABASE_SKU=Standard_B1ms has 35 connections, and the service needs 108 at least: take Standard_B2s.'
  }
  {
    broken: !empty(coolPrefixes) && !empty(lakeAccountId)
    sentence: 'COOL_PREFIXES has no effect on a lake that is brought along with LAKE_ACCOUNT_ID: make the rules there.'
  }
  {
    broken: !empty(filter(coolPrefixes, path => !startsWith(path, 'tables/') || length(split(path, '/')) < 3 || endsWith(path, '/') || startsWith(last(split(path, '/')), '_')))
    sentence: 'COOL_PREFIXES are beginnings of the folders of archives, such as tables/public.conditions/hyper_: a shorter one would cool what is written all the time.'
  }
  {
    broken: length(coolPrefixes) > 980
    sentence: 'COOL_PREFIXES are more than 980: an account takes 100 lifecycle rules of ten.'
  }
  {
    broken: !empty(intersection(givenSettings, ownSettings))
    sentence: 'settings has ${join(intersection(givenSettings, ownSettings), ', ')}: the parameters of these names would win.'
  }
  {
    broken: !empty(intersection(givenSettings, platformSettings))
    sentence: 'settings has ${join(intersection(givenSettings, platformSettings), ', ')}, which Flex Consumption refuses.'
  }
  {
    broken: telemetryExporter == 'otlp' && empty(endpointUrl)
    sentence: 'telemetryExporter is otlp: settings needs OTEL_EXPORTER_OTLP_ENDPOINT, or everything is sent to the instance itself.'
  }
  {
    broken: !empty(filter(alertEmails, address => !contains(address, '@')))
    sentence: 'ALERT_EMAILS is a list of addresses, such as ["you@example.com"].'
  }
]
var refusals = map(filter(rules, rule => rule.broken), rule => rule.sentence)

// ---------------------------------------------------------------------------------------------------------------------------

var token = toLower(uniqueString(subscription().id, environmentName, location))
var characters = map(range(0, length(environmentName)), i => substring(toLower(environmentName), i, 1))
var kept = filter(characters, character => contains('abcdefghijklmnopqrstuvwxyz0123456789', character))
var short = join(take(kept, 10), '')
var label = 'archival-${empty(short) ? '' : '${short}-'}${take(token, 6)}'
// Everything is named by it, so nothing is made where something was refused.
var name = empty(refusals) ? label : fail(join(refusals, ' '))
var tags = { 'azd-env-name': environmentName }
var filesystem = 'archive'
var database = 'tsdb'
// The role that docs/deploy.md makes for the identity; any name does, since it is bound by object id.
var databaseRole = 'archival_service'
var ownsNetwork = privateNetworking && empty(endpointSubnetId)

// Ids are worked out of names wherever names are enough: what-if foresees a name, a condition or a loop only of what is known before anything is
// made, and would leave out roles and endpoints otherwise.
var groupName = 'rg-${name}'
var identityName = 'id-${name}'
var identityId = resourceId(subscription().subscriptionId, groupName, 'Microsoft.ManagedIdentity/userAssignedIdentities', identityName)
var networkName = 'vnet-${name}'
var ownSubnets = '${resourceId(subscription().subscriptionId, groupName, 'Microsoft.Network/virtualNetworks', networkName)}/subnets'
var endpoints = privateNetworking ? (ownsNetwork ? '${ownSubnets}/endpoints' : endpointSubnetId) : ''
var lakeName = empty(lakeAccountId) ? 'stlake${take(token, 12)}' : last(split(lakeAccountId, '/'))

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: groupName
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  params: {
    name: identityName
    location: location
    tags: tags
  }
}

module network 'modules/network.bicep' = if (ownsNetwork) {
  scope: group
  params: {
    name: name
    networkName: networkName
    location: location
    tags: tags
  }
}

module zones 'modules/dns-zones.bicep' = if (privateNetworking) {
  scope: group
  params: {
    networkId: split(endpoints, '/subnets/')[0]
    tags: tags
    zonesGroupId: dnsZonesGroupId
  }
  // whatever is in the network has a zone too, and so comes after both
  dependsOn: [network]
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    name: name
    location: location
    tags: tags
    logAnalyticsId: logAnalyticsId
    dailyCapGB: dailyCapGB
    identityId: identityId
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
    zoneRedundant: zoneRedundant
    identityId: identityId
    principalId: identity.outputs.principalId
    endpointSubnetId: endpoints
    zoneIds: privateNetworking ? zones!.outputs.ids : {}
  }
}

module lake 'modules/lake.bicep' = if (empty(lakeAccountId)) {
  scope: group
  params: {
    name: lakeName
    location: location
    tags: tags
    zoneRedundant: zoneRedundant
    lock: lockLake
    workspaceId: monitoring.outputs.workspaceId
    filesystem: filesystem
    coolPrefixes: coolPrefixes
    endpointSubnetId: endpoints
    zoneIds: privateNetworking ? zones!.outputs.ids : {}
  }
}

var lakeSubscription = empty(lakeAccountId) ? subscription().subscriptionId : split(lakeAccountId, '/')[2]
var lakeGroup = empty(lakeAccountId) ? groupName : split(lakeAccountId, '/')[4]

module lakeAccess 'modules/lake-access.bicep' = {
  scope: resourceGroup(lakeSubscription, lakeGroup)
  params: {
    accountName: lakeName
    filesystem: filesystem
    identityId: identityId
    principalId: identity.outputs.principalId
    readerId: databaseAdminId
    readerType: databaseAdminType
  }
  dependsOn: [lake]
}

module redis 'modules/redis.bicep' = if (empty(redisUrl)) {
  scope: group
  params: {
    name: 'redis-${name}'
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
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
    workspaceId: monitoring.outputs.workspaceId
    database: database
    adminId: databaseAdminId
    adminName: databaseAdminName
    adminType: databaseAdminType
    skuName: databaseSku
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
    identityId: identityId
    identityClientId: identity.outputs.clientId
    storageAccountName: storage.outputs.name
    deploymentContainerUrl: storage.outputs.deploymentContainerUrl
    applicationInsightsConnectionString: monitoring.outputs.connectionString
    sourceDatabaseUrl: empty(sourceDatabaseUrl) ? 'postgresql://${databaseRole}@${postgres!.outputs.host}:5432/${database}?sslmode=require' : sourceDatabaseUrl
    ledgerDatabaseUrl: ledgerDatabaseUrl
    redisUrl: empty(redisUrl) ? 'rediss://${identity.outputs.principalId}@${redis!.outputs.host}:10000' : redisUrl
    lakeUrl: 'https://${lakeName}.dfs.${environment().suffixes.storage}/${filesystem}'
    databaseConnections: databaseConnections
    maximumInstancesAtLeast: maximumInstancesAtLeast
    archiveReaders: archiveReaders
    instanceMemoryMB: instanceMemoryMB
    alwaysReady: alwaysReady
    rollingUpdates: rollingUpdates
    telemetryExporter: telemetryExporter
    settings: settings
    appSubnetId: privateNetworking ? (ownsNetwork ? '${ownSubnets}/app' : appSubnetId) : ''
    endpointSubnetId: publicApi ? '' : endpoints
    zoneIds: privateNetworking ? zones!.outputs.ids : {}
    publicApi: publicApi
  }
  // its first start finds its roles
  dependsOn: [lakeAccess]
}

output RESOURCE_GROUP string = group.name
// azd publishes into the group of this name; without it azd looks for its tag, which the group of a region given up before has too
output AZURE_RESOURCE_GROUP string = group.name
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
output LAKE_ACCOUNT string = lakeName
output TOOLS_SUBNET_ID string = ownsNetwork ? '${ownSubnets}/tools' : ''
output MAXIMUM_INSTANCES int = app.outputs.maximumInstances
