"""What containers do whose ranks say nothing, guessed from outside; pure."""
