SELECT seq, (SELECT coalesce(max(seq), 0) FROM entries) FROM days_through
