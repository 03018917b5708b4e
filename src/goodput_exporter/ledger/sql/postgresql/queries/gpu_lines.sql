SELECT seq, booked_ns, kind, node, start_ns, end_ns, category, reason, cluster, namespace, run, team,
       gpu_model, node_pool, slots_from, slots_to, slots, gpus::text
FROM gpu_lines
WHERE book_id = %(book)s
  AND start_ns >= %(reach_ns)s AND start_ns < %(end_ns)s AND end_ns >= %(start_ns)s
ORDER BY start_ns, slots_from, seq
