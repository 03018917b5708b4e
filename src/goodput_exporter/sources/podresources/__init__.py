"""The kubelet's own list of who was given which device, over its Unix socket."""
