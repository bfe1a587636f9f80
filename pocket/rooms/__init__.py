"""Rooms of LiveKit as media services see them."""
