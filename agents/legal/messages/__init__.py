"""Between the values of this system and the messages of the contract."""
