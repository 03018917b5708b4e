-- Stretches of saving that no other adjoins; a save is booked in many segments.
SELECT count(*)
FROM (
    SELECT start_ns,
           max(end_ns) OVER (ORDER BY start_ns, end_ns
                             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before_ns
    FROM entries INDEXED BY entries_of_saves
    WHERE run_id = :run_id AND kind = 'segment' AND state = 'checkpointing'
      AND start_ns >= :reach_ns AND start_ns < :end_ns AND end_ns > :start_ns
      AND end_ns > start_ns
) AS saving
WHERE before_ns IS NULL OR start_ns > before_ns
