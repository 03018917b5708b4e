"""What people and Prometheus see; it only reads."""
