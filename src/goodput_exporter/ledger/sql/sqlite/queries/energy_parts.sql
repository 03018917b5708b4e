SELECT node, start_ns, body FROM gpu_energy
WHERE start_ns > :reach_ns AND start_ns < :end_ns
ORDER BY start_ns, node
