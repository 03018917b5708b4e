"""The programs that pull the data along."""
