SELECT day, first_ns, removed, digest FROM gpu_folds WHERE book_id = %(book)s
