"""The ledger follows the marks of the source, and archives of histories that were put back lose their place."""
