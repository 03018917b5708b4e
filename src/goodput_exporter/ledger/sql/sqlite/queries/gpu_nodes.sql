SELECT node, state FROM gpu_nodes
