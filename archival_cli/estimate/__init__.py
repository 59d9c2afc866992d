"""What the service costs on Azure: a table of prices with their date, and formulas. Nothing is asked of anybody."""
