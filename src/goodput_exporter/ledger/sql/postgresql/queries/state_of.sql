SELECT s.crc32, s.state, h.words
FROM states AS s JOIN runs AS r ON r.id = s.run_id LEFT JOIN heard AS h ON h.run_id = r.id
WHERE r.book_id = %(book)s
  AND r.cluster = %(cluster)s AND r.namespace = %(namespace)s AND r.run = %(run)s
