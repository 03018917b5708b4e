SELECT s.crc32, s.state
FROM states AS s JOIN runs AS r ON r.id = s.run_id
WHERE r.cluster = ? AND r.namespace = ? AND r.run = ?
