INSERT INTO days (run_id, day, part, state, cause, devices, length_ns)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (run_id, day, part, state, cause, devices)
DO UPDATE SET length_ns = length_ns + excluded.length_ns
