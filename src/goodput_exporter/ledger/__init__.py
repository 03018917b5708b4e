"""What was booked, append-only, and how it is read back."""
