SELECT last_gpu_line FROM books WHERE id = %(id)s
