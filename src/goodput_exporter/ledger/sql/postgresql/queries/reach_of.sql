-- The last column: whether the daily accounts hold every entry of the book.
SELECT r.id, r.longest_ns, r.first_ns, r.last_ns, f.day, b.days_through >= b.last_seq
FROM runs AS r JOIN books AS b ON b.id = r.book_id LEFT JOIN folds AS f ON f.run_id = r.id
WHERE r.book_id = %(book)s
  AND r.cluster = %(cluster)s AND r.namespace = %(namespace)s AND r.run = %(run)s
