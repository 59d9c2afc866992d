"""Azure Functions: triggers in, flows out. The only room that knows `azure.functions`.

Indexing must stay fast, so nothing here imports a client or a flow before the first invocation needs it.
"""
