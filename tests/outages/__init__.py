"""Long outages in front of a backlog: real servers, the development host with the settings of `host.json`, and a clock."""
