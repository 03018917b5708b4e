SELECT last_gpu_line, (SELECT count(*) FROM gpu_lines WHERE book_id = %(book)s)
FROM books WHERE id = %(book)s
