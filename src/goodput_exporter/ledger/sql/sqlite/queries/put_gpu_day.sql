INSERT INTO gpu_days (
    day, node, gpu_model, node_pool, category, reason, cluster, namespace, run, team,
    state, cause, gpu_ns
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
