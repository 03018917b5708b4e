COPY gpu_days (
    book_id, day, node, gpu_model, node_pool, category, reason, cluster, namespace, run, team,
    state, cause, gpu_ns
) FROM STDIN
