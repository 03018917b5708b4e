INSERT INTO heard (run_id, words) VALUES (%s, %s)
ON CONFLICT (run_id) DO UPDATE SET words = heard.words || excluded.words
