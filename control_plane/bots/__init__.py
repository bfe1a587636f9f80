"""Bots that are sent to meetings: asked for, due, claimed by a host, followed to their end."""
