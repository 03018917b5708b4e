SELECT writer FROM books WHERE id = %(id)s
