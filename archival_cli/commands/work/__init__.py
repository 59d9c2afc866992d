"""What the service does and has done: jobs, events, dead letters, the intake, the audit."""
