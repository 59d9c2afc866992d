// Read from the environment, so that `azd` (`azd env set NAME VALUE`) and `az deployment sub create` take the same values.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME')
param location = readEnvironmentVariable('AZURE_LOCATION')

// false for a first try from a laptop, which then reaches the database, Redis and the lake over the internet
param privateNetworking = bool(readEnvironmentVariable('PRIVATE_NETWORKING', 'true'))
param publicApi = bool(readEnvironmentVariable('PUBLIC_API', 'true'))

// azd tells who deploys; a hook of azure.yaml looks up the name
param databaseAdminId = readEnvironmentVariable('DATABASE_ADMIN_ID', readEnvironmentVariable('AZURE_PRINCIPAL_ID', ''))
param databaseAdminName = readEnvironmentVariable('DATABASE_ADMIN_NAME', '')
param databaseAdminType = readEnvironmentVariable('DATABASE_ADMIN_TYPE', 'User')

param sourceDatabaseUrl = readEnvironmentVariable('SOURCE_DATABASE_URL', '')
param ledgerDatabaseUrl = readEnvironmentVariable('LEDGER_DATABASE_URL', '')
param redisUrl = readEnvironmentVariable('REDIS_URL', '')
param lakeAccountId = readEnvironmentVariable('LAKE_ACCOUNT_ID', '')
param logAnalyticsId = readEnvironmentVariable('LOG_ANALYTICS_ID', '')
param appSubnetId = readEnvironmentVariable('APP_SUBNET_ID', '')
param endpointSubnetId = readEnvironmentVariable('ENDPOINT_SUBNET_ID', '')
param dnsZonesGroupId = readEnvironmentVariable('DNS_ZONES_GROUP_ID', '')

param databaseSku = readEnvironmentVariable('DATABASE_SKU', 'Standard_D2ds_v5')
param databaseConnections = int(readEnvironmentVariable('DATABASE_CONNECTIONS', '200'))
param maximumInstancesAtLeast = int(readEnvironmentVariable('MAXIMUM_INSTANCES_AT_LEAST', '1'))
param archiveReaders = int(readEnvironmentVariable('ARCHIVE_READERS', '2'))

param zoneRedundant = bool(readEnvironmentVariable('ZONE_REDUNDANT', 'true'))
param lockLake = bool(readEnvironmentVariable('LOCK_LAKE', 'true'))
param alwaysReady = int(readEnvironmentVariable('ALWAYS_READY', '0'))
param rollingUpdates = bool(readEnvironmentVariable('ROLLING_UPDATES', 'true'))
param dailyCapGB = int(readEnvironmentVariable('DAILY_CAP_GB', '-1'))

param coolPrefixes = json(readEnvironmentVariable('COOL_PREFIXES', '[]'))
param alertEmails = json(readEnvironmentVariable('ALERT_EMAILS', '[]'))

// what is not to have its default, such as { REMOVAL_POLICY: 'drop' }
param settings = {}
