INSERT INTO run_energy (cluster, namespace, run, body) VALUES (?, ?, ?, ?)
ON CONFLICT (cluster, namespace, run) DO UPDATE SET body = excluded.body
