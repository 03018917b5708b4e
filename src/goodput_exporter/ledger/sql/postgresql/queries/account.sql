-- Sums of 64-bit numbers are NUMERIC: exact, whatever the window.
-- No segment is longer than longest_ns, so none before reach_ns can touch the window.
SELECT state, cause, devices,
       sum(least(end_ns, %(end_ns)s)) - sum(greatest(start_ns, %(start_ns)s))
FROM entries
WHERE run_id = %(run_id)s AND kind = 'segment'
  AND start_ns >= %(reach_ns)s AND start_ns < %(end_ns)s AND end_ns > %(start_ns)s
GROUP BY state, cause, devices
