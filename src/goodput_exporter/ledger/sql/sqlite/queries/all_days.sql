SELECT r.cluster, r.namespace, r.run, d.day, d.part, d.state, d.cause, d.devices, d.length_ns
FROM days AS d JOIN runs AS r ON r.id = d.run_id
WHERE d.day >= :first AND d.day < :last
ORDER BY d.run_id, d.day, d.part, d.state, d.cause, d.devices
