SELECT id, longest_ns FROM runs
WHERE book_id = %(book)s
  AND cluster = %(cluster)s AND namespace = %(namespace)s AND run = %(run)s
