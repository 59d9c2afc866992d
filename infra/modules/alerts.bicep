// What somebody has to look at; docs/operate.md says what each means and what to do.
import { Tags } from '../types.bicep'

param name string
param location string
param tags Tags
param applicationInsightsId string
param emails string[]

@description('Hours without a finished archive, while jobs were asked for.')
@allowed([1, 2, 3, 4, 5, 6])
param idleHours int

@description('Seconds that a message may wait in its queue.')
param backlogSeconds int = 21600

@description('Seconds that a chunk may be overdue by its policy.')
param policyLagSeconds int = 86400

// Each query has one row for each thing that is wrong. All count the service's own events and metrics, by name and fields: docs/telemetry.md.
var rules = [
  {
    name: 'archive-damaged'
    severity: 0
    description: 'Verification found an archive that is not what was written.'
    window: 'PT30M'
    frequency: 'PT15M'
    query: 'customEvents | where name == "archival.archive.damaged"'
  }
  {
    name: 'given-up'
    severity: 1
    description: 'A job failed, or its message was delivered too often.'
    window: 'PT15M'
    frequency: 'PT5M'
    query: 'customEvents | where name == "archival.chunk.failed"'
  }
  {
    name: 'dead-letters'
    severity: 2
    description: 'An event or a message could not be used and lies in the dead stream.'
    window: 'PT15M'
    frequency: 'PT5M'
    query: 'customEvents | where name in ("archival.event.buried", "archival.event.lost", "archival.message.buried")'
  }
  {
    name: 'stray-folder'
    severity: 2
    description: 'Something below tables/ in the lake is no archive.'
    window: 'PT1H'
    frequency: 'PT1H'
    query: 'customEvents | where name == "archival.folder.stray" | summarize times = count() by folder = tostring(customDimensions["archival.lake_path"])'
  }
  {
    name: 'backlog-age'
    severity: 2
    description: 'The oldest message waits too long.'
    window: 'PT30M'
    frequency: 'PT15M'
    query: 'customMetrics | where name == "archival.queue.age" | summarize age = max(valueMax) by queue = tostring(customDimensions.queue) | where age > ${backlogSeconds}'
  }
  {
    name: 'policy-lag'
    severity: 2
    description: 'A chunk is overdue by its policy.'
    window: 'PT1H'
    frequency: 'PT1H'
    query: 'customMetrics | where name == "archival.policy.lag" | summarize lag = min(valueMin) by hypertable = tostring(customDimensions.hypertable) | where lag > ${policyLagSeconds}'
  }
  {
    name: 'nothing-archived'
    severity: 1
    description: 'Jobs were queued, and none was done.'
    window: 'PT${idleHours}H'
    frequency: 'PT1H'
    query: 'let asked = toscalar(customEvents | where name == "archival.run.ended" | summarize sum(tolong(customDimensions["archival.queued"]))); let done = toscalar(customEvents | where name in ("archival.chunk.archived", "archival.chunk.removed", "archival.chunk.restored") | count); print asked, done | where asked > 0 and done == 0'
  }
  {
    name: 'timers-silent'
    severity: 1
    description: 'reconcile has not run: the app is down, or telemetry does not arrive.'
    window: 'PT1H'
    frequency: 'PT15M'
    query: 'let runs = toscalar(customEvents | where name == "archival.run.ended" and customDimensions["archival.function"] == "reconcile" | count); print runs | where runs == 0'
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(emails)) {
  name: 'ag-${name}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'archival'
    emailReceivers: [for (address, i) in emails: {
      name: 'person-${i}'
      emailAddress: address
      useCommonAlertSchema: true
    }]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [for rule in rules: {
  name: 'alert-${name}-${rule.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: rule.name
    description: rule.description
    severity: rule.severity
    enabled: true
    scopes: [applicationInsightsId]
    evaluationFrequency: rule.frequency
    windowSize: rule.window
    autoMitigate: true
    // a table has no such column, or is not there, before the first telemetry has arrived
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: empty(emails) ? [] : [people.id]
    }
  }
}]
