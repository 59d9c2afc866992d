"""The lake: Azure Data Lake Storage Gen2, and where things lie in it."""
