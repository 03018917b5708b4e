INSERT INTO heard (run_id, words) VALUES (?, ?)
ON CONFLICT (run_id) DO UPDATE SET words = CAST(words || excluded.words AS BLOB)
