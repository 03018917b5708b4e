INSERT INTO runs (cluster, namespace, run) VALUES (?, ?, ?)
