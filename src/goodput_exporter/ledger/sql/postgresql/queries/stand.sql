SELECT last_seq, last_batch, writer FROM books WHERE id = %(id)s FOR UPDATE
