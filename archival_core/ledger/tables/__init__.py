"""The lake's tables: their columns, their logs, which archives are in which table, and the lake's generation."""
