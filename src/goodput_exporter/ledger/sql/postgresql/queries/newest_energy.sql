SELECT part.node, part.start_ns, part.body
FROM gpu_energy AS part
JOIN (
    SELECT node, max(start_ns) AS newest_ns FROM gpu_energy
    WHERE book_id = %(book)s AND start_ns >= %(since_ns)s
    GROUP BY node
) AS last ON part.node = last.node AND part.start_ns >= last.newest_ns - %(part_ns)s
WHERE part.book_id = %(book)s AND part.start_ns >= %(since_ns)s - %(part_ns)s
ORDER BY part.start_ns, part.node
