// Where telemetry goes, and the pages that show it.
import { Tags } from '../types.bicep'

param name string
param location string
param tags Tags

@description('A workspace that is there already; empty: one is made.')
param logAnalyticsId string

@description('Gigabytes a day; -1 is no bound.')
param dailyCapGB int


@description('Names the assignments of its roles: unlike principalId, it is known before the identity is there.')
param identityId string

param principalId string

var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = if (empty(logAnalyticsId)) {
  name: 'log-${name}'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 30
    workspaceCapping: {
      dailyQuotaGb: dailyCapGB
    }
    features: {
      disableLocalAuth: true
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${name}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: empty(logAnalyticsId) ? workspace.id : logAnalyticsId
    // its key opens nothing: telemetry is taken from identities that may send it
    DisableLocalAuth: true
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, identityId, metricsPublisher)
  scope: insights
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(insights.id, 'archival workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Archival service'
    category: 'workbook'
    sourceId: insights.id
    version: 'Notebook/1.0'
    serializedData: loadTextContent('../workbook.json')
  }
}

resource dashboard 'Microsoft.Portal/dashboards@2026-04-01' = {
  name: 'dash-${uniqueString(insights.id)}'
  location: location
  tags: union(tags, { 'hidden-title': 'Archival service' })
  properties: json(replace(loadTextContent('../portal-dashboard.json'), '{applicationInsightsId}', insights.id))
}

output workspaceId string = empty(logAnalyticsId) ? workspace.id : logAnalyticsId
output applicationInsightsId string = insights.id
output connectionString string = insights.properties.ConnectionString
