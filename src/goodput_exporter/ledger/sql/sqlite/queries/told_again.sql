-- INDEXED BY: without statistics SQLite prefers the whole run by its time.
SELECT seq, booked_ns, kind, start_ns, end_ns, state, devices, cause,
       incident, first_step, last_step, kept_as, bridged, model_flops, detail
FROM entries INDEXED BY entries_told_again
WHERE run_id = :run_id
  AND (kind <> 'segment' OR incident IS NOT NULL OR kept_as <> state OR state = 'degraded')
ORDER BY seq
