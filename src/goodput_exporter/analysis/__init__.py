"""What the books say of reliability and money: pure functions over accounts."""
