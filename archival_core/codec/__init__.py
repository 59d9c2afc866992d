"""Arrow batches become Parquet files and batches again, each column with a digest of its values. No network."""
