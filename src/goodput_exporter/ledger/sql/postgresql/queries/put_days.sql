INSERT INTO days (run_id, day, part, state, cause, devices, length_ns)
SELECT * FROM unnest(%(run_ids)s::bigint[], %(days)s::bigint[], %(parts)s::text[], %(states)s::text[],
                     %(causes)s::text[], %(devices)s::bigint[], %(lengths_ns)s::bigint[])
ON CONFLICT (run_id, day, part, state, cause, devices)
DO UPDATE SET length_ns = days.length_ns + excluded.length_ns
