"""What a person takes away: the books of a window as Markdown and CSV."""
