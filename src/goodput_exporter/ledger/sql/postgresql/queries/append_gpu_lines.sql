COPY gpu_lines (
    book_id, seq, booked_ns, kind, node, start_ns, end_ns, category, reason, cluster, namespace, run, team,
    gpu_model, node_pool, slots_from, slots_to, slots, gpus
) FROM STDIN
