-- Sums nanoseconds only: x devices would leave 64 bits (100,000 GPUs x 90 days = 7.8e20).
-- No segment is longer than longest_ns, so none before :reach_ns can touch the window.
SELECT state, cause, devices,
       sum(min(end_ns, :end_ns) - max(start_ns, :start_ns))
FROM entries
WHERE run_id = :run_id AND kind = 'segment'
  AND start_ns >= :reach_ns AND start_ns < :end_ns AND end_ns > :start_ns
GROUP BY state, cause, devices
