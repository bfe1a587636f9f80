"""What is known of one person: handed out, or erased, on their request."""
