"""The life of jobs: their rows, how people see them, and those that are tried again or given up."""
