SELECT day, node, gpu_model, node_pool, category, reason, cluster, namespace, run, team,
       state, cause, gpu_ns
FROM gpu_days
WHERE book_id = %(book)s AND day >= %(first)s AND day < %(last)s
ORDER BY day, node
