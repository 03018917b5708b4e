SELECT name, value FROM meta WHERE book_id = %(book)s
