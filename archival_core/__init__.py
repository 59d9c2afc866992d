"""The service: chunks of a database go into a lake, leave the database once that is proven, and come back."""
