-- runs-from: 1
-- For people and dashboards: every cluster's segments, in their units and exact.

CREATE VIEW segments AS
SELECT
    b.cluster AS book,
    b.shard,
    r.cluster,
    r.namespace,
    r.run,
    e.seq,
    e.state,
    e.cause,
    e.devices,
    e.incident,
    e.start_ns,
    e.end_ns,
    to_timestamp(e.start_ns / 1e9) AS started_at,
    to_timestamp(e.end_ns / 1e9) AS ended_at,
    (e.end_ns::numeric - e.start_ns) * e.devices AS gpu_ns,
    e.model_flops
FROM entries AS e
JOIN runs AS r ON r.id = e.run_id
JOIN books AS b ON b.id = e.book_id
WHERE e.kind = 'segment';
