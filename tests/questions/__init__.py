"""A thousand questions while chunks come and go: each answer is compared with what the writers know."""
