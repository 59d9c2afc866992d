// Makes nothing, and takes some seconds: what comes after it waits so long for what `after` names.
param after string

output before string = after
