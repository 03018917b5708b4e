SELECT node, state FROM gpu_nodes WHERE book_id = %(book)s
