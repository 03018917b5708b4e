DELETE FROM entries
WHERE book_id = (SELECT book_id FROM runs WHERE id = %(run_id)s) AND seq = %(seq)s
