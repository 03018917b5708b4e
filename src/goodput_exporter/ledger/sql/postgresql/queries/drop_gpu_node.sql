DELETE FROM gpu_nodes WHERE book_id = %s AND node = %s
