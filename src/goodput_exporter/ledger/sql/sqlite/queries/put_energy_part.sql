INSERT INTO gpu_energy (start_ns, node, body) VALUES (?, ?, ?)
ON CONFLICT (start_ns, node) DO UPDATE SET body = excluded.body
