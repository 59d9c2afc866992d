"""Traces on this machine: a collector that receives OTLP, and their drawing as a waterfall."""
