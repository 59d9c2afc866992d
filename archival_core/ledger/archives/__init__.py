"""Archives and what becomes of them: published, verified, removed from the database, restored, following the marks."""
