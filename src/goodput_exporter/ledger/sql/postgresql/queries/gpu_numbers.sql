SELECT last_gpu_line,
       (SELECT count(*) FROM gpu_lines WHERE book_id = %(book)s)
       + (SELECT coalesce(sum(removed), 0)::bigint FROM gpu_folds WHERE book_id = %(book)s)
FROM books WHERE id = %(book)s
