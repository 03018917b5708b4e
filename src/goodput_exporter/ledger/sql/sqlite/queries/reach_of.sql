SELECT r.id, r.longest_ns, r.first_ns, r.last_ns, f.day, 1
FROM runs AS r LEFT JOIN folds AS f ON f.run_id = r.id
WHERE r.cluster = ? AND r.namespace = ? AND r.run = ?
