-- What the daily accounts do not hold yet: of an earlier version, or of an older program.
SELECT e.run_id, r.cluster, r.namespace, r.run, e.seq, e.booked_ns, e.kind, e.start_ns, e.end_ns,
       e.state, e.devices, e.cause, e.incident, e.first_step, e.last_step, e.kept_as, e.bridged,
       e.model_flops, e.detail
FROM entries AS e JOIN runs AS r ON r.id = e.run_id
WHERE e.seq > :seq
ORDER BY e.seq
