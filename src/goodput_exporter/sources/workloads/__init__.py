"""From Kubernetes objects, as they change, to where each run's pods stand; pure."""
