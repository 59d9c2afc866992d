"""The commands: a room for each subject, a file for each noun; `archival_cli.app` lists them."""
