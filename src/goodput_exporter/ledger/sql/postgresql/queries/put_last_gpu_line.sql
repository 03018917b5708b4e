UPDATE books SET last_gpu_line = %(seq)s WHERE id = %(id)s
