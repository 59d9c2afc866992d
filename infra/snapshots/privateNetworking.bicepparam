// Written by `make snapshots` from tests/infra/combinations.py.
using '../main.bicep'

param environmentName = 'demo'
param location = 'westeurope'
param databaseAdminId = '00000000-0000-0000-0000-000000000001'
param databaseAdminName = 'you@example.com'
param privateNetworking = false
