SELECT min(start_ns), max(end_ns) FROM gpu_lines WHERE book_id = %(book)s AND kind = 'live'
