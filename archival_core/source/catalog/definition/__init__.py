"""What a table is made of: its DDL, the types of its values, what old rows have in a younger column, the order of its rows."""
