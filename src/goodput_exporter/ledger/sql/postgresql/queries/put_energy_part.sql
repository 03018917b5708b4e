INSERT INTO gpu_energy (book_id, start_ns, node, body) VALUES (%s, %s, %s, %s)
ON CONFLICT (book_id, start_ns, node) DO UPDATE SET body = excluded.body
