"""Sessions to hear and see again: everything that is known of one in one answer, and links that show it to others."""
