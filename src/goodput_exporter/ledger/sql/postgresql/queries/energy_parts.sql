SELECT node, start_ns, body FROM gpu_energy
WHERE book_id = %(book)s AND start_ns > %(reach_ns)s AND start_ns < %(end_ns)s
ORDER BY start_ns, node
