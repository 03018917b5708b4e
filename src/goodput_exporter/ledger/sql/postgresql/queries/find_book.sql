SELECT id FROM books WHERE cluster = %(cluster)s AND shard = %(shard)s
