UPDATE books SET writer = %(writer)s WHERE id = %(id)s RETURNING last_batch
