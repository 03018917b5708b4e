INSERT INTO run_energy (book_id, cluster, namespace, run, body) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (book_id, cluster, namespace, run) DO UPDATE SET body = excluded.body
