"""The definitions, pure: no clock, no I/O, no logging, no library."""
