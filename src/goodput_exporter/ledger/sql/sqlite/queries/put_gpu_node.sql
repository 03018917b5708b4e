INSERT INTO gpu_nodes (node, state) VALUES (?, ?)
ON CONFLICT (node) DO UPDATE SET state = excluded.state
