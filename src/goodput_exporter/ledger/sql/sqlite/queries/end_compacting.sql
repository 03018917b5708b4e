DELETE FROM compacting
