UPDATE days_through SET seq = :seq
