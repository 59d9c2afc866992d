"""How rows travel from PostgreSQL into Arrow: their types, and the shapes in which many values travel as one."""
