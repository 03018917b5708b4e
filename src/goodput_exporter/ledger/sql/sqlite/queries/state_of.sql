SELECT s.crc32, s.state, h.words
FROM states AS s JOIN runs AS r ON r.id = s.run_id LEFT JOIN heard AS h ON h.run_id = r.id
WHERE r.cluster = ? AND r.namespace = ? AND r.run = ?
