"""What a conversation came to: counted from its lines, and read by a model."""
