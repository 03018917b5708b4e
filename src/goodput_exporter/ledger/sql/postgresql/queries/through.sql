SELECT days_through, last_seq FROM books WHERE id = %(id)s FOR UPDATE
