"""The main job on sample data, from events in Redis to Parquet in the lake, every row compared."""
