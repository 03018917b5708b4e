INSERT INTO meta (book_id, name, value) VALUES (%s, %s, %s)
ON CONFLICT (book_id, name) DO UPDATE SET value = excluded.value
