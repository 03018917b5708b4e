SELECT r.cluster, r.namespace, r.run, r.first_ns, r.last_ns, coalesce(s.closed, false), f.day
FROM runs AS r LEFT JOIN states AS s ON s.run_id = r.id LEFT JOIN folds AS f ON f.run_id = r.id
WHERE r.book_id = %(book)s
