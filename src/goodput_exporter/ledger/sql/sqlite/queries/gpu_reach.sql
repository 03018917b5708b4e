SELECT min(start_ns), max(end_ns) FROM gpu_lines WHERE kind = 'live'
