"""What lies in the lake: manifests, and the tables' columns, files and logs."""
