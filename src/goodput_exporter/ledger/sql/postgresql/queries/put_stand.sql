UPDATE books SET last_seq = %(last_seq)s, last_batch = %(last_batch)s WHERE id = %(id)s
