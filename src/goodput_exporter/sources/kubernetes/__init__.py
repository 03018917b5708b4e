"""The door to the Kubernetes API: lists and watches, read as bytes, kept lean."""
