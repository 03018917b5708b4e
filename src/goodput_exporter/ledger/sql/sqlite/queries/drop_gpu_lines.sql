-- Live lines that end before the fold; corrections and departures stay for ever.
DELETE FROM gpu_lines WHERE kind = 'live' AND start_ns <= :end_ns AND end_ns <= :end_ns
