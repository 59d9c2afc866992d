"""Azure Functions: triggers in, flows out. The only room that knows `azure.functions`."""

import azure.functions as func

app = func.FunctionApp()
