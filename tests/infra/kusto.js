// What Microsoft's own Kusto language service says of queries on the tables of Application Insights.
//   node kusto.js NODE_MODULES < [["where", "query"], …]      one line for each error, and the exit code 1 where there is one
const path = require('path');
const fs = require('fs');
const service = path.join(process.argv[2], '@kusto', 'language-service-next');
require(path.join(service, 'bridge.min.js'));
require(path.join(service, 'Kusto.Language.Bridge.min.js'));
const { KustoCode, GlobalState, Symbols } = Kusto.Language;

const COMMON = 'timestamp: datetime, itemType: string, customDimensions: dynamic, customMeasurements: dynamic, operation_Name: string, ' +
  'operation_Id: string, operation_ParentId: string, session_Id: string, user_Id: string, application_Version: string, ' +
  'client_Type: string, cloud_RoleName: string, cloud_RoleInstance: string, appId: string, sdkVersion: string, itemId: string, itemCount: int';
const SPAN = 'id: string, name: string, success: bool, resultCode: string, duration: real, performanceBucket: string';
const TABLES = {
  requests: `${SPAN}, source: string, url: string`,
  dependencies: `${SPAN}, target: string, type: string, data: string`,
  traces: 'message: string, severityLevel: int',
  exceptions: 'problemId: string, type: string, message: string, outerType: string, outerMessage: string, severityLevel: int, details: dynamic',
  customEvents: 'name: string',
  customMetrics: 'name: string, value: real, valueSum: real, valueCount: int, valueMin: real, valueMax: real, valueStdDev: real',
};

const tables = Object.entries(TABLES).map(([name, columns]) => Symbols.TableSymbol.From(`(${columns}, ${COMMON})`).WithName(name));
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor('insights', tables));

let found = 0;
for (const [where, query] of JSON.parse(fs.readFileSync(0, 'utf8'))) {
  const diagnostics = KustoCode.ParseAndAnalyze(query, globals).GetDiagnostics();
  for (let i = 0; i < diagnostics.Count; i++, found++) {
    const { Code, Message, Start, Length } = diagnostics.getItem(i);
    console.log(`${where}: ${Code} ${Message} «${query.substr(Start, Length)}»`);
  }
}
process.exit(found ? 1 : 0);
