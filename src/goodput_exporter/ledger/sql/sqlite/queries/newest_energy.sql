SELECT part.node, part.start_ns, part.body
FROM gpu_energy AS part
JOIN (
    SELECT node, max(start_ns) AS newest_ns FROM gpu_energy WHERE start_ns >= :since_ns GROUP BY node
) AS last ON part.node = last.node AND part.start_ns >= last.newest_ns - :part_ns
WHERE part.start_ns >= :since_ns - :part_ns
ORDER BY part.start_ns, part.node
