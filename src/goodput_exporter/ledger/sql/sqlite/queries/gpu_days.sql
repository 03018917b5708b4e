SELECT day, node, gpu_model, node_pool, category, reason, cluster, namespace, run, team,
       state, cause, gpu_ns
FROM gpu_days
WHERE day >= :first AND day < :last
ORDER BY day, node
