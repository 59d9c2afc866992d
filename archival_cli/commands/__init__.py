"""The commands, one file for each subject; `archival_cli.app` lists them."""
