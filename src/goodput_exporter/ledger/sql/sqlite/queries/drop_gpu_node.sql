DELETE FROM gpu_nodes WHERE node = ?
