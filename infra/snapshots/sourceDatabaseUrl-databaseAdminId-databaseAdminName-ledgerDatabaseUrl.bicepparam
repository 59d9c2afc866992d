// Written by `make snapshots` from tests/infra/combinations.py.
using '../main.bicep'

param environmentName = 'demo'
param location = 'westeurope'
param databaseAdminId = ''
param databaseAdminName = ''
param sourceDatabaseUrl = 'postgresql://r@db:5432/tsdb?sslmode=require'
param ledgerDatabaseUrl = 'postgresql://r@ledger:5432/archival'
