-- Segments that end before the fold; events and restatements stay for ever.
DELETE FROM entries
WHERE run_id = :run_id AND kind = 'segment' AND start_ns <= :end_ns AND end_ns <= :end_ns
