"""The rows of an answer in the form that was asked for."""
