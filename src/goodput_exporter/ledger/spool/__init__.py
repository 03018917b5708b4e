"""What an agent has seen and not delivered yet, on its node's disk, within bounds."""
