"""Surfaces of other services: routes and shapes of theirs, over our own rooms, meetings and sessions."""
