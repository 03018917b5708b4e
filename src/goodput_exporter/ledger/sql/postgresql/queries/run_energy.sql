SELECT body FROM run_energy
WHERE book_id = %s AND cluster = %s AND namespace = %s AND run = %s
