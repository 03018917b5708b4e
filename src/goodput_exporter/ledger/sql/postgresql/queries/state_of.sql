SELECT s.crc32, s.state
FROM states AS s JOIN runs AS r ON r.id = s.run_id
WHERE r.book_id = %(book)s
  AND r.cluster = %(cluster)s AND r.namespace = %(namespace)s AND r.run = %(run)s
