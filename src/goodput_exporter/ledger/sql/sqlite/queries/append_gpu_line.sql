INSERT INTO gpu_lines (
    booked_ns, kind, node, start_ns, end_ns, category, reason, cluster, namespace, run, team,
    gpu_model, node_pool, slots_from, slots_to, slots, gpus
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
