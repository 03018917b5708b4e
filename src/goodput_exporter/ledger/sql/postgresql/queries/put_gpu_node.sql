INSERT INTO gpu_nodes (book_id, node, state) VALUES (%s, %s, %s)
ON CONFLICT (book_id, node) DO UPDATE SET state = excluded.state
