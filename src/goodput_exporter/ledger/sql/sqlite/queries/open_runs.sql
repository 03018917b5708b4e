-- Keys first, states one by one: a damaged state must not hide the others.
SELECT r.cluster, r.namespace, r.run
FROM states AS s JOIN runs AS r ON r.id = s.run_id
WHERE s.closed = 0
ORDER BY r.id
