UPDATE books SET days_through = %(seq)s WHERE id = %(id)s
