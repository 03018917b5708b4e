-- Segments that end before the fold; events and restatements stay for ever.
DELETE FROM entries
WHERE run_id = %(run_id)s AND kind = 'segment' AND start_ns <= %(end_ns)s AND end_ns <= %(end_ns)s
