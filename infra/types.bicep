// Types that the templates share. They are in a file of their own, because the parser of checkov does not know such declarations.

@export()
@description('Names and values that Azure shows beside a resource.')
type Tags = {
  *: string
}

@export()
@description('Settings of the app, each by its name in the environment.')
type Settings = {
  *: string
}

@export()
@description('The resource ids of the private DNS zones, each by the group that a private endpoint asks for; none without a network.')
type ZoneIds = {
  blob: string?
  dfs: string?
  queue: string?
  table: string?
  redisEnterprise: string?
  postgresqlServer: string?
  sites: string?
}
