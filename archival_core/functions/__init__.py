"""Azure Functions: triggers in, flows out. Beside `function_app.py` nothing else knows `azure.functions`.

Indexing must stay fast, so nothing here imports a client or a flow before the first invocation needs it.
"""
