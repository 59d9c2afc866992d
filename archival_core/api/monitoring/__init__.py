"""Health and metrics, for load balancers, Prometheus and operators."""
