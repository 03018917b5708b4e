INSERT INTO books (cluster, shard) VALUES (%(cluster)s, %(shard)s)
ON CONFLICT (cluster, shard) DO NOTHING
