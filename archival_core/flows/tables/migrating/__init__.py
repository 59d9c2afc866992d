"""Archives of before the lake's tables had a schema are written anew into it."""
