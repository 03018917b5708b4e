-- runs-from: 1
-- What a report reads beside the daily accounts: few of many entries, each found at once.

CREATE INDEX entries_told_again ON entries (run_id, seq)
WHERE kind <> 'segment' OR incident IS NOT NULL OR kept_as <> state OR state = 'degraded';

CREATE INDEX entries_of_saves ON entries (run_id, start_ns, end_ns)
WHERE kind = 'segment' AND state = 'checkpointing';
