-- Live lines that end before the fold; corrections and departures stay for ever.
DELETE FROM gpu_lines
WHERE book_id = %(book)s AND kind = 'live' AND start_ns <= %(end_ns)s AND end_ns <= %(end_ns)s
