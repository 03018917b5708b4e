SELECT seq, booked_ns, kind, node, start_ns, end_ns, category, reason, cluster, namespace, run, team,
       gpu_model, node_pool, slots_from, slots_to, slots, gpus
FROM gpu_lines
WHERE start_ns >= :reach_ns AND start_ns < :end_ns AND end_ns >= :start_ns
ORDER BY start_ns, slots_from, seq
