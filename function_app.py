"""The function app: composition only. Nothing here opens a connection; heavy imports happen on first use."""

import azure.functions as func

from archival_core.functions import http, queues, timers

app = func.FunctionApp()
app.register_functions(timers.blueprint())
app.register_functions(queues.blueprint())
app.register_functions(http.blueprint())
