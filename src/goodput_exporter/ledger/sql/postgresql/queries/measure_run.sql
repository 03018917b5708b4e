-- What is left decides how far a window's scan must reach back.
UPDATE runs SET longest_ns = (
    SELECT coalesce(max(end_ns - start_ns), 0) FROM entries
    WHERE run_id = %(run_id)s AND kind = 'segment')
WHERE id = %(run_id)s
