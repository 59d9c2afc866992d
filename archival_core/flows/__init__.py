"""The life of a chunk as use cases: asked for, archived, removed, restored, looked after and looked at."""
