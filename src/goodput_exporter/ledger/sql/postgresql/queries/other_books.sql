-- The books of the same cluster's other shards.
SELECT other.id FROM books AS other JOIN books AS ours USING (cluster)
WHERE ours.id = %(id)s AND other.id <> ours.id
